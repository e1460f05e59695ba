#include "tools/session/feed.h"

#include <algorithm>

namespace tandem {

Feed::Feed(const Dataset& data, const Options& options)
    : data_(data), options_(options), rows_(data, options.packing, options.context_length),
      steps_(rows_.size(), options.shape) {}

StepSamples Feed::samples(std::int64_t done) {
    StepSchedule::Position at = steps_.position(done);
    if (order_epoch_ != at.epoch) {
        order_.emplace(rows_.size(), options_.seed, at.epoch, options_.shuffle);
        order_epoch_ = at.epoch;
    }
    return StepSamples(*order_, at.offset, options_.shape);
}

void Feed::add_row(HostBatch& batch, std::int64_t row) const {
    Rows::Range range = rows_[row];
    for (std::int64_t i = range.begin; i < range.end; i++) batch.add(std::int32_t(i), data_[i].ids, data_[i].labels);
}

StepInput Feed::step(std::int64_t done, int rank) {
    StepSamples step = samples(done);
    StepInput input;
    for (std::int64_t m = 0; m < step.micro_batches(); m++) {
        HostBatch& batch = input.micro.emplace_back();
        for (std::int64_t row : step.of(m, rank)) add_row(batch, row);
    }
    for (std::int64_t row : step.all())
        for (std::int64_t i = rows_[row].begin; i < rows_[row].end; i++) input.supervised += data_.supervised(i);
    return input;
}

std::int64_t Feed::tokens(std::int64_t done) {
    std::int64_t n = 0;
    StepSamples step = samples(done);
    for (std::int64_t row : step.all())
        for (std::int64_t i = rows_[row].begin; i < rows_[row].end; i++) n += data_.length(i);
    return n;
}

double Feed::epoch(std::int64_t done) const {
    StepSchedule::Position at = steps_.position(done);
    return double(at.epoch) + double(at.offset) / double(rows_.size());
}

std::vector<HostBatch> Feed::once(int rank) const {
    SampleOrder order(rows_.size(), 0, 0, Shuffle::no);
    BatchShape shape{options_.shape.world, options_.shape.batch, 1};
    std::vector<HostBatch> batches;
    for (std::int64_t at = 0; at < rows_.size(); at += shape.samples()) {
        HostBatch& batch = batches.emplace_back();
        StepSamples step(order, at, shape);
        for (std::int64_t row : step.of(0, rank)) add_row(batch, row);
    }
    return batches;
}

HostBatch Feed::largest() const {
    std::int64_t documents = 0;
    for (std::int64_t r = 0; r < rows_.size(); r++) documents = std::max(documents, rows_[r].end - rows_[r].begin);
    Dataset::Largest most = rows_.largest();
    const std::int64_t rows = options_.shape.batch;
    return HostBatch::zeros({rows * most.length, rows * documents, rows * most.supervised});
}

std::int64_t Feed::supervised() const {
    std::int64_t n = 0;
    for (std::int64_t i = 0; i < data_.size(); i++) n += data_.supervised(i);
    return n;
}

}  // namespace tandem
