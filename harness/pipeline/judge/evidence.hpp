#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/evidence.hpp"
#include "harness/model/result.hpp"

namespace refute::pipeline {

/// Files of the committed evidence: path under reports/evidence → bytes. A record stands in
/// `<contract>/<claim>.jsonl`, the machines that reproduced it in
/// `<contract>/<claim>.attestations.jsonl`, both sorted; `MANIFEST.sha256` lists the digests of all
/// of them as sha256sum(1) reads it.
using EvidenceFiles = std::map<std::string, std::string>;
constexpr const char* kManifest = "MANIFEST.sha256";

/// Ids become names of files: letters, digits, dot, dash and underscore, not starting with a dot,
/// at most 120 bytes.
bool is_file_safe(const std::string& id);

/// Evidence as files, the manifest among them. The same set of evidence gives the same bytes in any
/// order. An error names an id that cannot be a file name.
Result<EvidenceFiles> to_files(const std::vector<Evidence>& evidence);
/// And back. Damage is an error that names file and line; verify() lists all of it.
Result<std::vector<Evidence>> from_files(const EvidenceFiles& files);

/// Where a record and its attestations stand.
std::string record_path(const Evidence& evidence);
std::string attestation_path(const Evidence& evidence);
/// One line of an attestations file, strictly.
Result<Attestation> parse_attestation(std::string_view line);

/// Reads all files under the folder. An absent folder gives none; a link, a device or anything
/// beyond the bounds is an error.
Result<EvidenceFiles> read_evidence_folder(const std::string& folder);

/// Evidence merged by record: attestations united, each machine once; sorted.
std::vector<Evidence> merge(std::vector<Evidence> evidence);

}  // namespace refute::pipeline
