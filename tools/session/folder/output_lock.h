// One run at a time in an output folder.
#pragma once
#include <filesystem>

namespace tandem {

// Held by this process until it ends, however it ends (flock of the folder: nothing is left in it). An InputError says
// that another run holds it. A folder that is not there yet is not locked; nor are those of file systems without locks.
class OutputLock {
  public:
    OutputLock() = default;
    ~OutputLock();
    OutputLock(const OutputLock&) = delete;
    void take(const std::filesystem::path& folder);  // once the folder is there; again changes nothing

  private:
    int folder_ = -1;  // descriptor
};

}  // namespace tandem
