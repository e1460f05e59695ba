// Reads the tensors of one golden safetensors file, which is trusted; the tests' only need of the format.
#pragma once
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace tandem {

class SafetensorsLite {
  public:
    explicit SafetensorsLite(const std::string& path) {
        std::ifstream in(path, std::ios::binary);
        if (!in) throw std::runtime_error("cannot open " + path);
        std::uint64_t length = 0;
        in.read(reinterpret_cast<char*>(&length), 8);
        std::string header(length, ' ');
        in.read(header.data(), std::streamsize(length));
        data_.assign(std::istreambuf_iterator<char>(in), {});
        header_ = nlohmann::json::parse(header);
    }

    bool has(const std::string& name) const { return header_.contains(name); }
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (const auto& item : header_.items()) all.push_back(item.key());
        return all;
    }
    std::vector<std::int64_t> shape(const std::string& name) const { return header_.at(name).at("shape"); }

    template <class T> std::vector<T> get(const std::string& name) const {
        std::size_t begin = header_.at(name).at("data_offsets")[0], end = header_.at(name).at("data_offsets")[1];
        std::vector<T> values((end - begin) / sizeof(T));
        std::memcpy(values.data(), data_.data() + begin, end - begin);
        return values;
    }

  private:
    nlohmann::json header_;
    std::vector<char> data_;
};

}  // namespace tandem
