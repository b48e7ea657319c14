#include <algorithm>
#include <vector>

#include "kernels/cuda/device_buffer.hpp"
#include "kernels/cuda/memory.cuh"

namespace refute::kernels::cuda {
namespace {

constexpr int kPoison = 0xA5;

struct Event {
  cudaEvent_t event = nullptr;
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() {
    if (event != nullptr) cudaEventDestroy(event);
  }
  CudaStatus make() { return status_of(cudaEventCreate(&event), "making an event"); }
  CudaStatus record() const { return status_of(cudaEventRecord(event), "recording an event"); }
};

/// One call between two events.
CudaStatus timed(const Event& begin, const Event& end, const std::function<CudaStatus(int)>& body,
                 int call, double& seconds) {
  float milliseconds = 0;
  const CudaStatus status = first_failure(
      [&] { return begin.record(); }, [&] { return body(call); }, [&] { return end.record(); },
      [&] { return status_of(cudaEventSynchronize(end.event), "waiting for an event"); },
      [&] {
        return status_of(cudaEventElapsedTime(&milliseconds, begin.event, end.event),
                         "reading the time between two events");
      });
  seconds = milliseconds / 1e3;
  return status;
}

}  // namespace

DeviceBuffer::~DeviceBuffer() {
  if (pointer_ != nullptr) cudaFree(pointer_);
}

CudaStatus DeviceBuffer::take(std::size_t bytes) {
  if (pointer_ != nullptr) cudaFree(pointer_);
  pointer_ = nullptr;
  bytes_ = 0;
  return first_failure(
      [&] { return status_of(cudaMalloc(&pointer_, bytes), "allocating device memory"); },
      [&] { return status_of(cudaMemset(pointer_, kPoison, bytes), "poisoning device memory"); },
      [&] { return bytes_ = bytes, CudaStatus{}; });
}

CudaStatus DeviceBuffer::upload(std::span<const std::byte> host) {
  return first_failure([&] { return take(host.size()); },
                       [&] {
                         return status_of(
                             cudaMemcpy(pointer_, host.data(), host.size(), cudaMemcpyHostToDevice),
                             "copying to the device");
                       });
}

CudaStatus DeviceBuffer::copy_from(const DeviceBuffer& other) const {
  if (other.bytes_ != bytes_) return {CudaError::failed, false, "a copy between unequal buffers"};
  return status_of(cudaMemcpyAsync(pointer_, other.pointer_, bytes_, cudaMemcpyDeviceToDevice),
                   "copying on the device");
}

CudaStatus DeviceBuffer::download(std::span<std::byte> host) const {
  if (host.size() > bytes_) return {CudaError::failed, false, "more was asked for than is there"};
  return status_of(cudaMemcpy(host.data(), pointer_, host.size(), cudaMemcpyDeviceToHost),
                   "copying from the device");
}

CudaAnswer<double> device_seconds(int warm_up, int repeats,
                                  const std::function<CudaStatus(int)>& body) {
  Event begin, end;
  std::vector<double> times(static_cast<std::size_t>(std::max(1, repeats)));
  CudaStatus status = first_failure([&] { return begin.make(); }, [&] { return end.make(); });
  for (int i = 0; status.ok() && i < warm_up; ++i) status = body(i);
  for (int i = 0; status.ok() && i < static_cast<int>(times.size()); ++i)
    status = timed(begin, end, body, warm_up + i, times[static_cast<std::size_t>(i)]);
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return {status, *middle};
}

}  // namespace refute::kernels::cuda
