// How long each weight format takes to quantize a checkpoint's projections, what a weight then takes, and how far it is
// off. Usage: bench_quantize MODEL_FOLDER [THREADS]
#include <fmt/core.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "models/io/checkpoint_files.h"
#include "quant/quantize.h"
#include "runtime/thread_pool.h"

using namespace tandem;

namespace {

struct Projection {
    std::int64_t rows, cols;
    std::vector<float> values;
};

std::vector<Projection> projections(const CheckpointFiles& files) {
    std::vector<Projection> all;
    for (const TensorInfo* t : files.tensors()) {
        if (!t->name.ends_with("_proj.weight")) continue;
        all.push_back({t->dims[0], t->dims[1], std::vector<float>(t->bytes / size_of(t->dtype))});
        (void)to_float(t->dtype, files.bytes(*t), all.back().values);
    }
    return all;
}

void measure(const std::string& name, const QuantSpec& spec, const std::vector<Projection>& weights, ThreadPool& pool) {
    double seconds = 0, error = 0, count = 0, bytes = 0;
    for (const Projection& w : weights) {
        std::vector<std::byte> out(quant_bytes(spec, w.rows, w.cols), std::byte(1));  // touched before it is timed
        const auto begin = std::chrono::steady_clock::now();
        const HostWeight weight = host_weight(w.values.data(), w.rows, w.cols);
        if (!quantize(spec, weight, out.data(), pool)) throw Error("a weight is not finite");
        seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        std::vector<float> back(w.values.size());
        dequantize(QuantTensor{spec, w.rows, w.cols, out.data()}, 0, w.rows * w.cols, back.data());
        for (std::size_t i = 0; i < back.size(); i++) error += std::abs(double(back[i]) - w.values[i]);
        count += double(back.size());
        bytes += double(out.size());
    }
    fmt::print("{:<22} {:7.2f} s {:8.1f} M weights/s {:7.4f} bytes per weight, mean error {:.6f}\n", name, seconds,
               count / seconds / 1e6, bytes / count, error / count);
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) return fmt::print("usage: bench_quantize MODEL_FOLDER [THREADS]\n"), 2;
    const int threads = count > 2 ? std::atoi(arguments[2]) : int(std::thread::hardware_concurrency());
    ThreadPool pool(threads);
    const std::vector<Projection> weights = projections(CheckpointFiles::open(arguments[1]));
    for (int repeat = 0; repeat < 3; repeat++) {
        measure("nf4, double", Block4{}, weights, pool);
        measure("nf4", Block4{.nested = false}, weights, pool);
        measure("fp4, double", Block4{.book = Block4::Book::fp4}, weights, pool);
        for (int bits : {8, 4, 3, 2, 1}) measure(fmt::format("hqq, {} bits", bits), Hqq{.bits = bits}, weights, pool);
        measure("hqq, 4 bits, group 128", Hqq{.group = 128}, weights, pool);
    }
}
