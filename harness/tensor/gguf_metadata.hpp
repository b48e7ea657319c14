#pragma once

#include <optional>
#include <string>

#include "harness/tensor/byte_cursor.hpp"
#include "harness/tensor/gguf.hpp"
#include "harness/tensor/metadata.hpp"

namespace refute::tensor {

/// Reads `count` key/value pairs. On failure the text says what is wrong, with the key.
Result<Metadata> read_gguf_metadata(ByteCursor& cursor, std::uint64_t count,
                                    const GgufBounds& bounds);

/// Appends a value as GGUF stores it, without its type.
void append_gguf_value(std::string& to, const MetaValue& value);

}  // namespace refute::tensor
