#include "kernels/cpu/run_error_lanes.hpp"

namespace refute::kernels::cpu_scalar {

namespace rd = run_error_detail;

RunError run_error(StoredRun x, StoredRun y, std::size_t count) {
  return rd::with_types(x.type, y.type, [&]<StoredFloat kX, StoredFloat kY>() {
    const auto summed = [&](auto sums) {
      rd::add_values<kX, kY>(x.data, y.data, 0, count, sums);
      return sums;
    };
    return rd::error_by<kX, kY>([&] { return summed(rd::ThreeSums()); },
                                [&] { return summed(rd::Sums()); });
  });
}

std::size_t run_error_index(StoredRun x, StoredRun y, std::size_t count, float max_abs) {
  return rd::with_types(x.type, y.type, [&]<StoredFloat kX, StoredFloat kY>() {
    return rd::index_of<kX, kY>(x.data, y.data, count, max_abs);
  });
}

}  // namespace refute::kernels::cpu_scalar
