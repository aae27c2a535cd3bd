// What tch 0.24 has no way to do: tensors over memory that is given back by a deleter, an optimiser step whose state
// is ours, and flags of the global context. Every function catches C++ exceptions; on failure it returns null or -1
// and leaves the first line of the message for rfx_shim_error.

#include <torch/torch.h>

#include <exception>
#include <map>
#include <string>
#include <vector>

static thread_local std::string last_error;

static void remember(const std::exception &e) {
  last_error = e.what();
  last_error.resize(std::min(last_error.size(), last_error.find('\n')));
}

extern "C" {

const char *rfx_shim_error() { return last_error.c_str(); }

// A tensor of `n` sizes over `data`, contiguous, on the CPU. `deleter(context)` runs once, when the last view of it is
// gone, on whatever thread drops that.
at::Tensor *rfx_shim_from_blob(void *data, const int64_t *sizes, size_t n, int kind, void (*deleter)(void *), void *context) {
  try {
    auto options = at::TensorOptions().dtype(static_cast<at::ScalarType>(kind)).device(at::kCPU);
    return new at::Tensor(torch::from_blob(
        data, at::IntArrayRef(sizes, n), [deleter, context](void *) { deleter(context); }, options));
  } catch (const std::exception &e) {
    remember(e);
    return nullptr;
  }
}

// One step of SGD with momentum over `n` parameters: g += decay * w (the gradient of decay/2 |w|^2), buf = momentum *
// buf + g, w -= lr * buf; then the gradients are forgotten. A parameter without a gradient is left alone. The kernel is
// that of torch.optim.SGD(fused=True), which goes over the memory once instead of three times.
int rfx_shim_sgd_step(at::Tensor **params, at::Tensor **buffers, const double *decay, size_t n, double lr, double momentum) {
  try {
    torch::NoGradGuard no_grad;
    struct Group {
      std::vector<at::Tensor> params, grads, buffers;
    };
    std::map<double, Group> groups; // by decay, of which the kernel takes one
    for (size_t i = 0; i < n; ++i) {
      at::Tensor &grad = params[i]->mutable_grad();
      if (!grad.defined()) continue;
      Group &group = groups[decay[i]];
      group.params.push_back(*params[i]);
      group.grads.push_back(grad);
      group.buffers.push_back(*buffers[i]);
      grad.reset();
    }
    for (auto &[weight_decay, group] : groups) {
      at::_fused_sgd_(group.params, group.grads, group.buffers, weight_decay, momentum, lr, /*dampening=*/0,
                      /*nesterov=*/false, /*maximize=*/false, /*is_first_step=*/false);
    }
    return 0;
  } catch (const std::exception &e) {
    remember(e);
    return -1;
  }
}

// Whether operations without a deterministic implementation are errors; also picks deterministic cuDNN kernels.
void rfx_shim_deterministic(int on) {
  at::globalContext().setDeterministicAlgorithms(on, false);
  at::globalContext().setDeterministicCuDNN(on);
}
}
