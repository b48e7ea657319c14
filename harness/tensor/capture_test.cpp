#include "harness/tensor/capture.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "harness/catch.hpp"
#include "harness/digest/sha256.hpp"
#include "harness/json/json.hpp"
#include "harness/tensor/temp_folder_test.hpp"

namespace refute::tensor {
namespace {

namespace fs = std::filesystem;

CaptureManifest a_run() {
  CaptureManifest m;
  m.producer = "refute test";
  m.model = "tiny";
  m.model_sha256 = sha256_of("tiny");
  m.architecture = "llama";
  m.layers = 4;
  m.tokens = {1, 2, 3};
  m.path = {"reference", "naive", "cpu", {"linear: f64"}, "F32", "F32", "F64"};
  return m;
}

/// A capture of two stages of two layers and the logits.
CaptureManifest write_capture(const std::string& folder) {
  auto writer = CaptureWriter::begin(folder, a_run());
  REQUIRE(writer);
  float value = 1;
  for (const std::uint32_t layer : {0u, 1u}) {
    for (const Stage stage : {Stage::attn_norm, Stage::ffn_out}) {
      const std::vector<float> values(6, value++);
      REQUIRE_FALSE(writer->add(stage, layer, {3, 2}, values));
    }
  }
  REQUIRE_FALSE(writer->add(Stage::lm_head, kWholeModel, {5}, std::vector<float>(5, value)));
  REQUIRE_FALSE(writer->finish());
  return writer->manifest();
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The manifest's text with one member of one map set to something else.
std::string with(const CaptureManifest& m, std::vector<std::string> keys, Value value) {
  Value root = manifest_value(m);
  Value* at = &root;
  for (const std::string& key : keys) {
    if (&key == &keys.back()) break;
    if (Value::List* list = at->as_list()) {
      at = &(*list)[std::stoul(key)];
    } else {
      at = const_cast<Value*>(at->find(key));
    }
  }
  at->set(keys.back(), std::move(value));
  return json::dump(root);
}

}  // namespace

TEST_CASE("a capture is read back as it was written, and verifies") {
  const TempFolder folder;
  const CaptureManifest written = write_capture(folder.path());
  const auto read = read_manifest(folder.path());
  REQUIRE(read);
  CHECK(*read == written);
  CHECK(verify_capture(folder.path(), *read).empty());
  CHECK(stale_files(folder.path(), *read).empty());
  const CapturedFile* file = read->find(Stage::ffn_out, 1);
  REQUIRE(file != nullptr);
  const auto stage = open_stage(folder.path(), *file);
  REQUIRE(stage);
  CHECK(stage->values()[5] == 4.0f);
  CHECK(read->find(Stage::ffn_out, 2) == nullptr);
}

TEST_CASE("the same run twice writes the same bytes") {
  const TempFolder a, b;
  write_capture(a.path());
  write_capture(b.path());
  for (const char* name : {"manifest.json", "lm_head.bin", "layer-1/ffn_out.bin"}) {
    CHECK(text_of(a.file(name)) == text_of(b.file(name)));
    CHECK_FALSE(text_of(a.file(name)).empty());
  }
}

TEST_CASE("a digest is that of the file, as sha256sum sees it") {
  const TempFolder folder;
  const CaptureManifest m = write_capture(folder.path());
  for (const CapturedFile& file : m.files) {
    const auto digest = sha256_of_file(folder.file(file.path()));
    REQUIRE(digest);
    CHECK(*digest == file.sha256);
  }
}

TEST_CASE("swapped, exchanged, edited, cut and missing files are found") {
  const TempFolder folder;
  const CaptureManifest m = write_capture(folder.path());
  const std::string norm = folder.file("layer-0/attn_norm.bin"),
                    out = folder.file("layer-0/ffn_out.bin");
  const auto problems = [&] { return verify_capture(folder.path(), m); };
  SECTION("two stages of one layer, equal in shape") {
    fs::rename(norm, folder.file("x"));
    fs::rename(out, norm);
    fs::rename(folder.file("x"), out);
    CHECK(problems().size() == 2);
  }
  SECTION("one stage of another layer") {
    fs::copy_file(folder.file("layer-1/ffn_out.bin"), out, fs::copy_options::overwrite_existing);
    REQUIRE(problems().size() == 1);
    CHECK(problems()[0].find("is of layer 1, the manifest says layer 0") != std::string::npos);
  }
  SECTION("one bit of a value") {
    std::fstream file(out, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(20);
    file.put('\x01');
    file.close();
    REQUIRE(problems().size() == 1);
    CHECK(problems()[0].find("other content") != std::string::npos);
  }
  SECTION("cut short") {
    fs::resize_file(out, 20);
    CHECK(problems().size() == 1);
  }
  SECTION("another number of values") {
    REQUIRE_FALSE(write_aprt(out, 0, std::vector<float>(7, 2.0f)));
    REQUIRE(problems().size() == 1);
    CHECK(problems()[0].find("has 7 values, the manifest says 6") != std::string::npos);
  }
  SECTION("removed") {
    fs::remove(out);
    CHECK(problems().size() == 1);
  }
}

TEST_CASE("files of an earlier run are told apart") {
  const TempFolder folder;
  write_capture(folder.path());
  auto writer = CaptureWriter::begin(folder.path(), a_run());
  REQUIRE(writer);
  CHECK_FALSE(fs::exists(folder.file("manifest.json")));  // an interrupted run vouches for nothing
  REQUIRE_FALSE(writer->add(Stage::attn_norm, 0, {6}, std::vector<float>(6, 9.0f)));
  REQUIRE_FALSE(writer->finish());
  std::ofstream(folder.file("notes.txt")) << "mine";
  fs::create_directories(folder.file("layer-07"));
  std::ofstream(folder.file("layer-07/ffn_out.bin")) << "nobody's";
  CHECK(stale_files(folder.path(), writer->manifest()) ==
        std::vector<std::string>{"layer-0/ffn_out.bin", "layer-1/attn_norm.bin",
                                 "layer-1/ffn_out.bin", "lm_head.bin"});
}

TEST_CASE("the run id follows from model, tokens and path, and from nothing else") {
  const Digest id = run_id(a_run());
  const auto changed = [&](auto change) {
    CaptureManifest m = a_run();
    change(m);
    return run_id(m) != id;
  };
  CHECK(changed([](auto& m) { m.tokens.push_back(0); }));
  CHECK(changed([](auto& m) { m.model_sha256 = sha256_of("other"); }));
  CHECK(changed([](auto& m) { m.path.name = "fast"; }));
  CHECK(changed([](auto& m) { m.path.attention = "flash2"; }));
  CHECK(changed([](auto& m) { m.path.kernels.push_back("x"); }));
  CHECK(changed([](auto& m) { m.path.weight_dtype = "Q4_K"; }));
  CHECK_FALSE(changed([](auto& m) { m.producer = "another"; }));
  CHECK_FALSE(changed([](auto& m) { m.files.push_back({Stage::lm_head, kWholeModel, {1}, {}}); }));
}

TEST_CASE("a model of several files has the digest of what sha256sum prints") {
  const Digest a = sha256_of("a"), b = sha256_of("b");
  CHECK(model_digest({{"a.gguf", a}}) == a);
  const Digest both = sha256_of(a.text + "  a\n" + b.text + "  b\n");
  CHECK(model_digest({{"b", b}, {"a", a}}) == both);
}

TEST_CASE("a manifest that is not what it says is refused") {
  const TempFolder folder;
  const CaptureManifest m = write_capture(folder.path());
  REQUIRE(parse_manifest(json::dump(manifest_value(m))));
  const auto refused = [&](std::vector<std::string> keys, Value value) {
    const auto parsed = parse_manifest(with(m, std::move(keys), std::move(value)));
    return !parsed;
  };
  CHECK(refused({"version"}, 2));
  CHECK(refused({"version"}, "1"));
  CHECK(refused({"format"}, "other"));
  CHECK(refused({"extra"}, 1));
  CHECK(refused({"tokens"}, Value::List{1, 2, 4}));  // the run id is another one's
  CHECK(refused({"tokens"}, Value::List{-1}));
  CHECK(refused({"tokens"}, "1,2,3"));
  CHECK(refused({"run_id"}, std::string(64, '0')));
  CHECK(refused({"model", "sha256"}, "abc"));
  CHECK(refused({"model", "sha256"}, sha256_of("x").text));
  CHECK(refused({"model", "layers"}, 1));  // files of layer 1 are listed
  CHECK(refused({"path", "name"}, "fast"));
  CHECK(refused({"path", "fingerprint"}, std::string(64, 'a')));
  CHECK(refused({"files", "0", "stage"}, "unknown"));
  CHECK(refused({"files", "0", "stage"}, "ffn_out"));  // and so another file
  CHECK(refused({"files", "0", "file"}, "../../etc/passwd"));
  CHECK(refused({"files", "0", "layer"}, Value()));
  CHECK(refused({"files", "0", "layer"}, 1));
  CHECK(refused({"files", "4", "layer"}, 0));
  CHECK(refused({"files", "0", "shape"}, Value::List{65536, 65536, 65536}));
  CHECK(refused({"files", "0", "shape"}, Value::List{-3}));
  CHECK(refused({"files", "0", "sha256"}, std::string(64, 'A')));
  Value twice = manifest_value(m);
  const_cast<Value*>(twice.find("files"))->push((*twice.find("files")->as_list())[0]);
  CHECK_FALSE(parse_manifest(json::dump(twice)));
  for (const char* text : {"", "{}", "[]", "null", "{\"version\": 1}"}) {
    CHECK_FALSE(parse_manifest(text));
  }
}

TEST_CASE("mutated manifests are refused, or mean the same") {
  const TempFolder folder;
  const CaptureManifest m = write_capture(folder.path());
  const std::string text = text_of(folder.file("manifest.json"));
  std::uint64_t state = 7;
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = text;
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::size_t at = (state >> 33) % bytes.size();
    const auto kind = (state >> 20) % 3;
    if (kind == 0) bytes[at] = static_cast<char>(state >> 40);
    if (kind == 1) bytes.erase(at, 1 + (state >> 50) % 8);
    if (kind == 2) bytes.insert(at, text.substr((state >> 45) % text.size(), 5));
    const auto parsed = parse_manifest(bytes);
    if (!parsed) {
      ++refused;
      continue;
    }
    // Names for people and the files' own digests are the only parts that the run id leaves free.
    CHECK(parsed->tokens == m.tokens);
    CHECK(parsed->path == m.path);
    CHECK(parsed->model_sha256 == m.model_sha256);
  }
  CHECK(refused > 1500);
}

TEST_CASE("a folder without a manifest is no capture") {
  const TempFolder folder;
  const auto none = read_manifest(folder.path());
  REQUIRE_FALSE(none);
  CHECK(none.error().what.find("manifest.json") != std::string::npos);
}

}  // namespace refute::tensor
