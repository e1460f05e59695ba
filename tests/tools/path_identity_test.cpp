#include "tools/session/folder/path_identity.h"

#include <doctest/doctest.h>

#include "tests/support/scratch.h"

using namespace tandem;
namespace fs = std::filesystem;

TEST_CASE("paths are compared by what they lead to") {
    test::Scratch s;
    fs::create_directories(s / "a/b");
    s.put("a/file", "x");
    fs::create_directory_symlink(s / "a", s / "link");
    fs::create_symlink(s / "a/file", s / "link-to-file");
    fs::create_hard_link(s / "a/file", s / "hard");
    CHECK(lies_in(s / "a", s / "a"));
    CHECK(lies_in(s / "a" / "", s / "a"));
    CHECK(lies_in(s / "a/b/../b/.", s / "a"));
    CHECK(lies_in(s / "a/not/there/yet", s / "a"));
    CHECK(lies_in(s / "link/b", s / "a"));
    CHECK(lies_in(s / "a/b", s / "link"));
    CHECK(lies_in(s / "link/not/there", s / "a"));
    CHECK(lies_in(s / "link-to-file", s / "a"));
    CHECK(lies_in(s / "hard", s / "a/file"));
    CHECK(lies_in("x", fs::current_path()));
    CHECK_FALSE(lies_in(s / "a", s / "a/b"));
    CHECK_FALSE(lies_in(s / "ab", s / "a"));
    CHECK_FALSE(lies_in(s / "a/../c", s / "a"));
    CHECK_FALSE(lies_in(s / "a/not-there", s / "a/not-there"));
    CHECK(existing_folder(s / "a/not/there") == fs::canonical(s / "a"));
    CHECK(existing_folder(s / "a/file") == fs::canonical(s / "a"));
}
