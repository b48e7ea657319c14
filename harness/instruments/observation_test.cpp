// Every outcome of every classifier, reached by a body that deserves it.

#include "harness/instruments/observation.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "harness/catch.hpp"
#include "harness/json/json.hpp"

namespace refute::instruments {
namespace {

using enum ObservationKind;
using enum ObservationOutcome;

struct Case {
  ObservationKind kind;
  const char* body;
  ObservationOutcome outcome;
};

#define HEX "0123456789abcdef0123456789abcdef01234567"
#define ZEROS "0000000000000000000000000000000000000000"
#define FLASH2 R"({"attn_impl":"flash2","kernel_source":)"

const Case kCases[] = {
    {parity, "[]", not_an_object},
    {parity, "3", not_an_object},
    {provenance, "\"x\"", not_an_object},
    {head_dim_error, "null", not_an_object},
    {frobenius, "true", not_an_object},
    {capability, "[{}]", not_an_object},

    {parity, R"({"max_abs_diff":0.002,"cosine_sim":0.99999})", within_tolerance},
    {parity, R"({"max_abs_diff":0.005,"cosine_sim":0.9999})", within_tolerance},
    {parity, R"({"max_abs_diff":0,"cosine_sim":1})", within_tolerance},
    {parity, R"({"cosine_sim":1})", missing_max_abs_diff},
    {parity, R"({"max_abs_diff":0})", missing_cosine_sim},
    {parity, R"({"max_abs_diff":null,"cosine_sim":1})", null_max_abs_diff},
    {parity, R"({"max_abs_diff":0,"cosine_sim":null})", null_cosine_sim},
    {parity, R"({"max_abs_diff":"0","cosine_sim":1})", wrong_type_max_abs_diff},
    {parity, R"({"max_abs_diff":false,"cosine_sim":1})", wrong_type_max_abs_diff},
    {parity, R"({"max_abs_diff":[0],"cosine_sim":1})", wrong_type_max_abs_diff},
    {parity, R"({"max_abs_diff":0,"cosine_sim":"1"})", wrong_type_cosine_sim},
    {parity, R"({"max_abs_diff":0,"cosine_sim":{}})", wrong_type_cosine_sim},
    {parity, R"({"max_abs_diff":"NaN","cosine_sim":1})", non_finite_max_abs_diff},
    {parity, R"({"max_abs_diff":"-Infinity","cosine_sim":1})", non_finite_max_abs_diff},
    {parity, R"({"max_abs_diff":0,"cosine_sim":"inf"})", non_finite_cosine_sim},
    {parity, R"({"max_abs_diff":-1e-300,"cosine_sim":1})", negative_max_abs_diff},
    {parity, R"({"max_abs_diff":0,"cosine_sim":1.0000001})", cosine_sim_outside_range},
    {parity, R"({"max_abs_diff":0,"cosine_sim":-1.5})", cosine_sim_outside_range},
    {parity, R"({"max_abs_diff":0.0050001,"cosine_sim":1})", max_abs_diff_above_tolerance},
    {parity, R"({"max_abs_diff":0.01,"cosine_sim":1,"tolerance":1,"tol_abs":1})",
     max_abs_diff_above_tolerance},
    {parity, R"({"max_abs_diff":0,"cosine_sim":0.99,"floor":0,"min_cosine":0})",
     cosine_sim_below_floor},
    {parity, R"({"max_abs_diff":0,"cosine_sim":-1})", cosine_sim_below_floor},
    {parity, R"({"max_abs_diff":0,"cosine_sim":1,"error":"oom"})", figures_beside_error},
    {parity, R"({"max_abs_diff":0,"cosine_sim":1,"same_code":true})", same_code},
    {parity, R"({"max_abs_diff":0,"cosine_sim":1,"same_code":false})", within_tolerance},
    {parity, R"({"max_abs_diff":0,"cosine_sim":1,"attn_impl":"naive"})", flash2_did_not_run},
    {parity, R"({"max_abs_diff":0,"cosine_sim":1,"fallback":"no-gpu"})", flash2_did_not_run},
    {parity, R"({"max_abs_diff":0,"cosine_sim":1,"regime":{"key_tiles":1}})", single_key_tile},
    {parity,
     R"({"max_abs_diff":0,"cosine_sim":1,"expected":{"verdict":"refused"},"same_code":true})",
     expected_refused_itself},
    {parity, R"({"max_abs_diff":0,"cosine_sim":1,"expected":{"verdict":"accepted"}})",
     within_tolerance},

    {provenance, FLASH2 "\"refute:flash2@" HEX "\"}", flash2_named},
    {provenance, FLASH2 "\"hf-kernels-community:flash-attn2@" HEX "\",\"fallback\":null}",
     flash2_named},
    {provenance, R"({"attn_impl":"naive","fallback":"no-gpu"})", fallback_named},
    {provenance, R"({"attn_impl":"naive","fallback":"arch"})", fallback_named},
    {provenance, R"({})", missing_attn_impl},
    {provenance, R"({"attn_impl":null,"fallback":"abi"})", missing_attn_impl},
    {provenance, R"({"attn_impl":2})", wrong_type_attn_impl},
    {provenance, R"({"attn_impl":"unobtanium","fallback":"abi"})", unknown_attn_impl},
    {provenance, R"({"attn_impl":"Flash2"})", unknown_attn_impl},
    {provenance, R"({"attn_impl":"fallback","fallback":"abi"})", unnamed_attn_impl},
    {provenance, R"({"attn_impl":"flash2"})", kernel_source_missing},
    {provenance, FLASH2 "null}", kernel_source_missing},
    {provenance, FLASH2 "[]}", wrong_type_kernel_source},
    {provenance, FLASH2 "\"\"}", kernel_source_malformed},
    {provenance, FLASH2 "\"refute:flash2@short\"}", kernel_source_malformed},
    {provenance, FLASH2 "\"refute:flash2@" HEX "0\"}", kernel_source_malformed},
    {provenance, FLASH2 "\"refute:flash2@ABCDEF0123456789ABCDEF0123456789ABCDEF01\"}",
     kernel_source_malformed},
    {provenance, FLASH2 "\"refute:flash2@g123456789abcdef0123456789abcdef01234567\"}",
     kernel_source_malformed},
    {provenance, FLASH2 "\":flash2@" HEX "\"}", kernel_source_malformed},
    {provenance, FLASH2 "\"refute:@" HEX "\"}", kernel_source_malformed},
    {provenance, FLASH2 "\"refute@" HEX ":flash2\"}", kernel_source_malformed},
    {provenance, FLASH2 "\"ref ute:flash2@" HEX "\"}", kernel_source_malformed},
    {provenance, FLASH2 "\"refute:flash2@" HEX "\\n\"}", kernel_source_malformed},
    {provenance, FLASH2 "\"refute:flash2@" ZEROS "\"}", kernel_source_placeholder},
    {provenance, R"({"attn_impl":"naive"})", fallback_missing},
    {provenance, R"({"attn_impl":"naive","fallback":null})", fallback_missing},
    {provenance, R"({"attn_impl":"naive","fallback":true})", wrong_type_fallback},
    {provenance, R"({"attn_impl":"naive","fallback":""})", fallback_unknown},
    {provenance, R"({"attn_impl":"naive","fallback":" "})", fallback_unknown},
    {provenance, R"({"attn_impl":"naive","fallback":"because"})", fallback_unknown},
    {provenance, FLASH2 "\"refute:flash2@" HEX "\",\"fallback\":\"no-gpu\"}",
     provenance_and_fallback},
    {provenance, FLASH2 "\"refute:flash2@" HEX "\",\"fallback\":\"\"}", provenance_and_fallback},
    {provenance, R"({"attn_impl":"naive","fallback":"abi","kernel_source":"x"})",
     provenance_and_fallback},
    {provenance, R"({"attn_impl":"naive","requested":{"impl":"naive"}})", naive_as_requested},
    {provenance, R"({"attn_impl":"naive","requested":{"impl":"flash2"}})", fallback_missing},

    {provenance, FLASH2 "\"refute:flash2@" HEX "\",\"head_dim\":96}", flash2_head_dim},
    {provenance, FLASH2 "\"refute:flash2@" HEX "\",\"shape\":{\"head_dim\":\"64\"}}",
     flash2_head_dim},
    {provenance, FLASH2 "\"refute:flash2@" HEX "\",\"shape\":{\"head_dim\":128}}", flash2_named},
    {provenance,
     FLASH2 "\"refute:flash2@" HEX "\",\"requested\":{\"device\":\"cuda\"},\"device\":\"cpu\"}",
     request_contradicted},
    {provenance, FLASH2 "\"refute:flash2@" HEX "\",\"requested\":{\"impl\":\"naive\"}}",
     request_contradicted},
    {provenance, FLASH2 "\"refute:flash2@" HEX "\",\"kernel\":\"naive\"}", kernel_contradicted},
    {provenance, FLASH2 "\"refute:naive@" HEX "\"}", kernel_source_other},
    {provenance, FLASH2 "\"refute:flash2@" HEX "\",\"exit_code\":1}", failed_run},
    {provenance, FLASH2 "\"refute:flash2@" HEX "\",\"exit_code\":0}", flash2_named},
    {provenance, R"({"attn_impl":"naive","fallback":"no-gpu","fallback_reason":" "})",
     fallback_reason_missing},
    {provenance, R"({"schema":"x","attn_impl":"naive","fallback":"no-gpu"})",
     fallback_reason_missing},
    {parity, R"({"max_abs_diff":0,"cosine_sim":1,"exit_code":1})", figures_beside_error},
    {provenance, R"({"attn_impl":"naive","fallback":"no-gpu","fallback_reason":"none is here"})",
     fallback_named},

    {head_dim_error, R"({"error":"this is not unsupported-head-dim"})", head_dim_without_reason},
    {head_dim_error, R"({"error":"unsupported-head-dim","head_dim":"96"})", head_dim_malformed},
    {head_dim_error, R"({"error":"unsupported-head-dim","head_dim":-96})", head_dim_malformed},
    {head_dim_error, R"({"error":"unsupported-head-dim","shape":{"head_dim":1.5}})",
     head_dim_malformed},
    {head_dim_error, R"({"error":"unsupported-head-dim"})", unsupported_head_dim},
    {head_dim_error, R"({"error":"unsupported-head-dim: got 96","exit_code":1,"head_dim":96})",
     unsupported_head_dim},
    {head_dim_error, R"({"error":"attention: unsupported-head-dim, 96"})", unsupported_head_dim},
    {head_dim_error, R"({})", missing_error},
    {head_dim_error, R"({"error":null})", missing_error},
    {head_dim_error, R"({"error":1})", wrong_type_error},
    {head_dim_error, R"({"error":{"code":"unsupported-head-dim"}})", wrong_type_error},
    {head_dim_error, R"({"error":" "})", empty_error},
    {head_dim_error, R"({"error":"head_dim 96 is fine; out of memory"})", head_dim_without_reason},
    {head_dim_error, R"({"error":"not-unsupported-head-dim"})", head_dim_without_reason},
    {head_dim_error, R"({"error":"out of memory"})", error_about_something_else},
    {head_dim_error, R"({"error":"unsupported-head-dim","exit_code":0})", wrong_exit_code},
    {head_dim_error, R"({"error":"unsupported-head-dim","exit_code":"1"})", wrong_exit_code},
    {head_dim_error, R"({"error":"unsupported-head-dim","attn_impl":"naive"})",
     result_beside_error},
    {head_dim_error, R"({"error":"unsupported-head-dim","max_abs_diff":0})", result_beside_error},
    {head_dim_error, R"({"error":"unsupported-head-dim","head_dim":64})",
     supported_head_dim_refused},
    {head_dim_error, R"({"error":"unsupported-head-dim","shape":{"head_dim":128}})",
     supported_head_dim_refused},

    {frobenius, R"({"relative_frobenius_error":0.02646})", within_band},
    {frobenius, R"({"rel_err":0.0361})", above_band},
    {frobenius, R"({"rel_err":0.0360})", within_band},
    {frobenius, R"({"rel_err":0.0066})", below_band},
    {frobenius, R"({"rel_err":0.02,"threshold":0.01})", within_band},
    {frobenius, R"({"rel_err":0.2,"threshold":1})", above_band},
    {frobenius, R"({"original":[1,2],"reconstructed":[1,2]})", below_band},
    {frobenius, R"({"original":[3,4],"reconstructed":[3,4.125]})", within_band},
    {frobenius, R"({"original":[3e200,4e200],"reconstructed":[3e200,4.125e200]})", within_band},
    {frobenius, R"({"original":[3e-300,4e-300],"reconstructed":[3e-300,4.125e-300]})", within_band},
    {frobenius, R"({"original":[3,4],"reconstructed":[0,0]})", above_band},
    {frobenius, R"({})", missing_relative_error},
    {frobenius, R"({"rel_err":null})", null_relative_error},
    {frobenius, R"({"rel_err":"0.02"})", wrong_type_relative_error},
    {frobenius, R"({"rel_err":"nan"})", non_finite_relative_error},
    {frobenius, R"({"original":[1e-300],"reconstructed":[1e300]})", non_finite_relative_error},
    {frobenius, R"({"rel_err":-0.02})", negative_relative_error},
    {frobenius, R"({"original":[1]})", missing_tensor},
    {frobenius, R"({"reconstructed":[1]})", missing_tensor},
    {frobenius, R"({"original":1,"reconstructed":[1]})", wrong_type_tensor},
    {frobenius, R"({"original":[1],"reconstructed":["1"]})", wrong_type_tensor},
    {frobenius, R"({"original":[1,2],"reconstructed":[1]})", length_mismatch},
    {frobenius, R"({"original":[],"reconstructed":[]})", empty_tensor},
    {frobenius, R"({"original":[0,0],"reconstructed":[0,0]})", zero_norm},
    {frobenius, R"({"original":[0,-0.0],"reconstructed":[0,1]})", zero_norm},
    {frobenius, R"({"original":[1,null],"reconstructed":[1,2]})", non_finite_element},
    {frobenius, R"({"original":[1,2],"reconstructed":[1,"inf"]})", non_finite_element},
    {frobenius, R"({"original":[3,4],"reconstructed":[0,0],"rel_err":0.025})",
     stated_error_differs},
    {frobenius, R"({"relative_frobenius_error":0.025,"rel_err":0.026})", stated_error_differs},

    {capability, R"({"sm":90})", capable},
    {capability, R"({"sm":120,"exit_code":0})", capable},
    {capability, R"({"sm":89,"exit_code":2,"message":"needs Hopper"})", incapable_explained},
    {capability, R"({"sm":75,"exit_code":2,"error":"compute CAPABILITY too low"})",
     incapable_explained},
    {capability, R"({"sm":0})", not_measured},
    {capability, R"({})", missing_sm},
    {capability, R"({"sm":null})", missing_sm},
    {capability, R"({"sm":"90"})", wrong_type_sm},
    {capability, R"({"sm":89.5})", wrong_type_sm},
    {capability, R"({"sm":-1})", sm_out_of_range},
    {capability, R"({"sm":4294967386})", sm_out_of_range},
    {capability, R"({"sm":89})", refusal_missing},
    {capability, R"({"sm":89,"exit_code":0})", refusal_missing},
    {capability, R"({"sm":89,"required":80})", refusal_missing},
    {capability, R"({"sm":89,"exit_code":2})", refusal_unexplained},
    {capability, R"({"sm":89,"exit_code":2,"message":"no"})", refusal_unexplained},
    {capability, R"({"sm":89,"message":"sm_90 needed"})", refusal_wrong_exit_code},
    {capability, R"({"sm":89,"exit_code":1,"message":"sm_90 needed"})", refusal_wrong_exit_code},
    {capability, R"({"sm":90,"exit_code":2,"message":"sm_90 needed"})", capable_but_refused},
};

Value parsed(std::string_view text) {
  auto body = json::parse(text);
  REQUIRE(body);
  return *body;
}

std::vector<ObservationFinding> linted(std::string_view text,
                                       std::vector<ObservationKind> wanted = {},
                                       const ObservationLimits& limits = {}) {
  const auto findings = lint_observation(parsed(text), wanted, limits);
  REQUIRE(findings);
  return *findings;
}

}  // namespace

TEST_CASE("every body has the outcome that it deserves") {
  for (const Case& c : kCases) {
    const auto findings = linted(c.body, {c.kind});
    INFO(c.body);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].kind == c.kind);
    CHECK(std::string(row_of(findings[0].outcome).name) == std::string(row_of(c.outcome).name));
  }
}

TEST_CASE("every outcome is reached, and its name is its own") {
  std::set<ObservationOutcome> reached = {empty_section, kernel_source_foreign,
                                          within_given_limits};  // below
  for (const Case& c : kCases) reached.insert(c.outcome);
  std::set<std::string_view> names;
  for (const OutcomeRow& row : observation_outcomes()) {
    INFO(row.name);
    CHECK(reached.count(row.outcome) == 1);
    CHECK(names.insert(row.name).second);
    CHECK_FALSE(row.meaning.empty());
  }
}

TEST_CASE("a body is recognised by its keys, for every kind that it looks like") {
  const auto findings =
      linted(R"({"max_abs_diff":0,"cosine_sim":1,"attn_impl":"flash2","kernel_source":7})");
  REQUIRE(findings.size() == 2);
  CHECK(findings[0].outcome == within_tolerance);
  CHECK(findings[1].outcome == wrong_type_kernel_source);
  CHECK(exit_codes(findings) == std::vector{ExitCode::findings});
  CHECK(recognise(parsed(R"({"sm":80,"error":"capability"})")) == std::vector{capability});
  for (const char* text : {"{}", "[]", "3", "null", R"({"other":1})"}) {
    const auto nothing = lint_observation(parsed(text), {}, {});
    REQUIRE_FALSE(nothing);
    CHECK_FALSE(nothing.error().hint.empty());
  }
}

TEST_CASE("sections are judged each, an empty one is a finding") {
  const auto findings =
      linted(R"({"parity":{"max_abs_diff":0,"cosine_sim":1},"provenance":{},"capability":3})");
  REQUIRE(findings.size() == 3);
  CHECK(findings[0].at == "/parity");
  CHECK(findings[0].outcome == within_tolerance);
  CHECK(findings[1].outcome == empty_section);
  CHECK(findings[2].outcome == not_an_object);
}

TEST_CASE("a bad body does not hide behind a good section") {
  const auto findings =
      linted(R"({"parity":{"max_abs_diff":0,"cosine_sim":1},"max_abs_diff":1,"cosine_sim":1})");
  REQUIRE(findings.size() == 2);
  CHECK(exit_codes(findings).front() == ExitCode::findings);
}

TEST_CASE("what is wanted is judged although the body does not look like it") {
  const auto findings = linted(R"({"max_abs_diff":0,"cosine_sim":1})", {parity, provenance});
  REQUIRE(findings.size() == 2);
  CHECK(findings[1].outcome == missing_attn_impl);
}

TEST_CASE("limits come from the caller") {
  ObservationLimits limits;
  limits.max_abs_diff = 1e-5;
  CHECK(linted(R"({"max_abs_diff":1e-4,"cosine_sim":1})", {}, limits)[0].outcome ==
        max_abs_diff_above_tolerance);
  CHECK(linted(R"({"max_abs_diff":1e-6,"cosine_sim":1})", {}, limits)[0].outcome ==
        within_given_limits);
  limits.publisher = "refute";
  CHECK(linted(FLASH2 "\"else:flash2@" HEX "\"}", {}, limits)[0].outcome == kernel_source_foreign);
  CHECK(linted(FLASH2 "\"refute:flash2@" HEX "\"}", {}, limits)[0].outcome == flash2_named);
  // The published 1 % is below what the format can do: nothing can hold it.
  limits.max_relative_error = 0.01;
  CHECK(linted(R"({"rel_err":0.02646})", {}, limits)[0].outcome == above_band);
  CHECK(linted(R"({"rel_err":0.009})", {}, limits)[0].outcome == below_band);
}

TEST_CASE("exit codes: violated before declined before well") {
  CHECK(exit_codes(linted(R"({"rel_err":0.02646})")) == std::vector{ExitCode::ok});
  CHECK(exit_codes(linted(R"({"sm":0})")) == std::vector{ExitCode::incomplete});
  CHECK(exit_codes(linted(R"({"sm":0,"rel_err":1})")) ==
        std::vector{ExitCode::findings, ExitCode::incomplete});
  CHECK(exit_codes({}) == std::vector{ExitCode::incomplete});
}

TEST_CASE("a key that is missing is named, with where it is looked for and what is there") {
  const auto text = [](std::string_view body, ObservationKind kind) {
    return render_observation("x", linted(body, {kind}));
  };
  const auto says = [](const std::string& all, std::string_view part) {
    INFO(all);
    CHECK(all.find(part) != std::string::npos);
  };
  const std::string neither = text(R"({"relative_error":1})", frobenius);
  for (const char* key : {"relative_frobenius_error", "rel_err", "original", "reconstructed"})
    says(neither, key);
  says(neither, R"( body: wants )");
  says(neither, R"(it has "relative_error")");
  says(text(R"({"frobenius":{"original":[1]}})", frobenius),
       R"(/frobenius: no reconstructed; it has "original")");
  says(text(R"({"reconstructed":[1]})", frobenius), "body: no original;");
  says(text(R"({"cosine_sim":1})", parity), R"(body: no max_abs_diff; it has "cosine_sim")");
}

TEST_CASE("what a body holds cannot drive the terminal") {
  const auto findings = linted("{\"attn_impl\":\"\\u001b[2Jflash2\\u009b\\n\"}");
  const std::string text = render_observation("x", findings);
  for (const char c : text) CHECK((c == '\n' || (c >= ' ' && c <= '~')));
  const std::string long_text(100'000, 'a');
  CHECK(linted("{\"attn_impl\":\"" + long_text + "\"}")[0].detail.size() < 200);
}

TEST_CASE("the record says what it was held to and what was found") {
  const auto findings = linted(R"({"max_abs_diff":1,"cosine_sim":1})");
  const Value v = observation_value("body.json", findings, {});
  CHECK(*v.find("limits")->find("max_abs_diff")->as_double() == 5e-3);
  const Value& first = v.find("findings")->as_list()->front();
  CHECK(*first.find("outcome")->as_string() == "max_abs_diff_above_tolerance");
  CHECK(*first.find("standing")->as_string() == "violated");
  CHECK(*v.find("exit_codes")->as_list()->front().as_int() == 1);
}

}  // namespace refute::instruments
