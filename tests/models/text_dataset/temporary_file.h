// A file that lives as long as the object.
#pragma once
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

struct TemporaryFile {
    std::filesystem::path path;
    explicit TemporaryFile(const std::string& text) {
        static std::atomic<int> number{0};
        path = std::filesystem::temp_directory_path() /
               ("tandem_test_" + std::to_string(getpid()) + "_" + std::to_string(number++) + ".jsonl");
        std::ofstream(path, std::ios::binary) << text;
    }
    ~TemporaryFile() { std::filesystem::remove(path); }
};
