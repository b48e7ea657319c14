#pragma once

// The codes that `validate` can print, once. A code is never given a new meaning; retired numbers
// stay unused.

#include <array>
#include <cstddef>
#include <string_view>

namespace refute::pipeline {

struct CodeRow {
  std::string_view code;
  std::string_view title;  ///< one line; `explain` says the rest
};

inline constexpr auto kCodes = std::to_array<CodeRow>({
    // RF01: bytes and YAML
    {"RF0101", "the file is larger than 1 MiB"},
    {"RF0102", "the file is not valid UTF-8"},
    {"RF0103", "a control character stands in the file"},
    {"RF0104", "an invisible character stands in the file"},
    {"RF0105", "the file is not YAML"},
    {"RF0106", "a quote is never closed"},
    {"RF0107", "text follows the end of the document"},
    {"RF0108", "the file holds a second document"},
    {"RF0109", "a tab is used as indentation"},
    {"RF0110", "an anchor or an alias"},
    {"RF0111", "a merge key"},
    {"RF0112", "a tag"},
    {"RF0113", "a key is given twice"},
    {"RF0114", "the file is nested too deeply"},
    {"RF0115", "the file holds too many values"},
    {"RF0116", "the file is empty"},
    {"RF0117", "a key is no plain text"},
    {"RF0118", "there are too many findings to list"},
    // RF02: schema
    {"RF0201", "a key is misspelt"},
    {"RF0202", "a key is unknown"},
    {"RF0203", "a section belongs to another tool"},
    {"RF0204", "a required key is missing"},
    {"RF0205", "a value has the wrong type"},
    {"RF0206", "a word is not of the vocabulary"},
    {"RF0207", "a text is blank"},
    {"RF0208", "a placeholder stands where a statement should"},
    {"RF0209", "the version is not semantic"},
    {"RF0210", "a date is none"},
    {"RF0211", "the contract was updated before it was created"},
    {"RF0212", "a number lies outside its domain"},
    {"RF0213", "a key goes by an old name"},
    {"RF0214", "the file is no contract"},
    {"RF0215", "a number is not written in plain decimals"},
    // RF03: references
    {"RF0301", "binds_to names no equation"},
    {"RF0302", "applies_to names nothing here"},
    {"RF0303", "an obligation is named that does not exist"},
    {"RF0304", "a contract depends on itself"},
    {"RF0305", "a contract is named that cannot be found"},
    {"RF0306", "contracts depend on each other in a circle"},
    {"RF0307", "an id is given twice in one file"},
    {"RF0308", "an id is given in two files"},
    {"RF0309", "an id has the wrong form"},
    {"RF0310", "a claim's id does not belong to its contract"},
    {"RF0311", "a requirement names a subject that the claim does not have"},
    {"RF0312", "a file is named that cannot be found"},
    {"RF0313", "a falsifier is named that does not exist"},
    // RF04: ledger and levels
    {"RF0401", "a typed count contradicts the lists"},
    {"RF0402", "the discharge ledger names an unknown claim"},
    {"RF0403", "a partial discharge does not say what blocks the rest"},
    {"RF0404", "a blocker does not say what is missing"},
    {"RF0405", "a level typed by hand exceeds the evidence"},
    {"RF0406", "a level typed by hand was not checked"},
    {"RF0407", "a level is claimed without naming evidence"},
    {"RF0408", "a proof is called proved without its theorem"},
    {"RF0409", "the ledger and the claim disagree"},
    {"RF0410", "a level can never be reached"},
    {"RF0411", "a level is required without asking for anything"},
    {"RF0412", "a requirement contradicts itself"},
    {"RF0413", "a merge gate is typed by hand"},
    {"RF0414", "the discharge ledger leaves out a claim"},
    {"RF0415", "a proof cannot be found"},
    {"RF0416", "an outcome is typed by hand"},
    // RF05: tolerances and parameters
    {"RF0501", "a tolerance is not finite"},
    {"RF0502", "a tolerance is negative"},
    {"RF0503", "a tolerance is zero"},
    {"RF0504", "a number does not say where it comes from"},
    {"RF0505", "an origin is given without its reason"},
    {"RF0506", "a band is empty"},
    {"RF0507", "a count is not positive"},
    {"RF0508", "a number is written as a text"},
    {"RF0509", "a tolerance accepts everything"},
    // RF06: vacuity
    {"RF0601", "the contract makes no claim"},
    {"RF0602", "the contract holds nothing but metadata"},
    {"RF0603", "a claim has no parameters"},
    {"RF0604", "a claim has no mutants"},
    {"RF0605", "a claim asserts nothing"},
    {"RF0606", "a control without expect: refuted"},
    {"RF0607", "expect: refuted without a control"},
    {"RF0608", "expect: refuted with mutants"},
    {"RF0609", "a name stands twice in one list"},
    {"RF0610", "a claim names no subject"},
    {"RF0611", "nothing checks an obligation"},
    {"RF0612", "no claim is bound to an equation"},
    {"RF0613", "the control is one of the subjects"},
    {"RF0614", "a claim requires nothing for any level"},
    // RF07: shell text of tests
    {"RF0701", "the test cannot fail"},
    {"RF0702", "the test hides the status that it reads"},
    {"RF0703", "the test passes when a tool is missing"},
    {"RF0704", "the test runs something and asserts nothing"},
    {"RF0705", "the test searches its own contract"},
    {"RF0706", "the test computes two values and never compares them"},
    {"RF0707", "jq pipes a boolean into test()"},
    {"RF0708", "the test names nothing"},
    {"RF0709", "a pipe hides the status of the command"},
    {"RF0710", "the test cannot pass"},
});

constexpr std::size_t kNoCode = kCodes.size();

// By index: with the undefined-behaviour sanitizer g++ 12 takes no pointer into an inline table for
// a constant.
constexpr std::size_t index_of_code(std::string_view code) {
  std::size_t i = 0;
  while (i < kCodes.size() && kCodes[i].code != code) ++i;
  return i;
}

inline const CodeRow* find_code(std::string_view code) {
  const std::size_t i = index_of_code(code);
  return i == kNoCode ? nullptr : &kCodes[i];
}

/// A code that stands in the table. Any other literal does not compile, so nothing can be printed
/// that `explain` cannot explain.
class Code {
 public:
  consteval Code(const char* text) : text_(text) {
    if (index_of_code(text_) == kNoCode) throw "this code is not in kCodes";
  }
  constexpr std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

}  // namespace refute::pipeline
