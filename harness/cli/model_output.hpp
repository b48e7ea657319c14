#pragma once

// What quantize and dequantize share: where the result goes, how far the work has come, and how it
// ended.

#include <functional>
#include <optional>
#include <string>

#include "harness/instruments/batches.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/pipeline/execute/stop_signal.hpp"
#include "harness/tensor/model_file.hpp"
#include "harness/tensor/new_file.hpp"

namespace refute::cli {

/// "model.safetensors" → "model.q4_k.gguf", beside the input; a folder's goes into it.
std::string name_beside(const std::string& input, const std::string& infix,
                        const std::string& extension);

/// A name that promises another container than the format is stored in, which has this ending.
/// Names without an ending, or with one of nobody's, promise nothing.
std::optional<Error> wrong_ending(const std::string& path, const std::string& format,
                                  const std::string& ending);

/// The file to write, or why not: it is there already, cannot be written, or is the input itself.
Result<tensor::NewFile> open_output(const tensor::ModelFile& model, const std::string& path,
                                    bool force);

/// Runs the work with a bar on stderr if that is a terminal, notes SIGINT and SIGTERM meanwhile,
/// and commits the file if nothing failed. Prints what did; the exit status, 0 for success.
int write_model(const tensor::ModelFile& model, tensor::NewFile file, unsigned threads,
                const std::function<std::optional<instruments::Failure>(
                    const instruments::BatchOptions&, tensor::NewFile&)>& work);

/// Prints an error with its hint on stderr and gives the code back.
int fail(ExitCode code, const Error& error);

/// "90.9 MB".
std::string show_bytes(std::size_t bytes);

}  // namespace refute::cli
