// A file for the length of a test.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

class TemporaryFile {
  public:
    TemporaryFile() : path_(std::filesystem::temp_directory_path() / ("tandem-text-" + std::to_string(getpid()))) {}
    ~TemporaryFile() { std::filesystem::remove(path_); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    const std::filesystem::path& with(const std::string& content) const {
        std::ofstream(path_, std::ios::binary) << content;
        return path_;
    }

  private:
    std::filesystem::path path_;
};
