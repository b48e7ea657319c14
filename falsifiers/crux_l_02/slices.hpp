#pragma once

// Attention inputs cut up and put in another order, with the output that has to come out.

#include <vector>

#include "fixtures/mutants/attention_mutants.hpp"

namespace refute::falsifiers {

/// Inputs of a part of a problem, and what the whole's output says of it.
struct Part {
  mutants::KernelShape shape;
  mutants::KernelInputs inputs;
  std::vector<float> out;
};

/// Which old head stands in each new place: key heads turned by one, the queries of each turned
/// too.
struct HeadOrder {
  std::vector<std::size_t> query, key;
};
HeadOrder rotated_heads(const mutants::KernelShape& shape);
mutants::KernelInputs with_heads(const mutants::KernelShape& shape,
                                 const mutants::KernelInputs& inputs, const HeadOrder& order);
std::vector<float> heads_moved(const mutants::KernelShape& shape, const std::vector<float>& out,
                               const HeadOrder& order);

/// One entry of the batch and one key head, with the queries that share it.
Part one_shared_head(const mutants::KernelShape& shape, const mutants::KernelInputs& inputs,
                     const std::vector<float>& out, std::size_t batch, std::size_t key_head);

/// Query `row` of every head over the first `keys` keys.
Part one_query(const mutants::KernelShape& shape, const mutants::KernelInputs& inputs,
               const std::vector<float>& out, std::size_t row, std::size_t keys);

/// Every query head with keys and values of its own; no output.
Part with_keys_repeated(const mutants::KernelShape& shape, const mutants::KernelInputs& inputs);

/// The query rows of every head turned by one.
std::vector<float> rows_rotated(const mutants::KernelShape& shape, const std::vector<float>& x);

}  // namespace refute::falsifiers
