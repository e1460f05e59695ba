#include "tools/session/room/host_memory.h"

#include <doctest/doctest.h>

#include "tests/support/scratch.h"

namespace tandem {

namespace {

using Of = HostLimit::Of;

constexpr std::size_t mib = 1 << 20;
constexpr std::size_t of_pages(std::size_t bytes) { return bytes - bytes / 512; }  // less their page tables

// /proc and /sys of a machine with 100 MiB free.
class Machine {
  public:
    Machine() {
        put("proc/meminfo", "MemTotal:  999999 kB\nMemFree: 1 kB\nMemAvailable:  102400 kB\n");
        put("proc/self/status", "Name:\ttandem\nVmSize:\t 2048 kB\nVmLck:\t 1024 kB\nVmData:\t 512 kB\n"
                                "CapEff:\t0000000000000000\n");
    }
    void put(const std::string& file, const std::string& text) { scratch_.put(file, text); }
    void group(const std::string& folder, const std::string& max, const std::string& stat) {
        put(folder + "/memory.max", max + "\n");
        put(folder + "/memory.stat", stat);
    }
    void version_2(const std::string& mount_root, const std::string& group) {
        put("proc/self/cgroup", "0::" + group + "\n");
        put("proc/self/mountinfo", "30 23 0:26 " + mount_root + " /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n");
    }
    std::vector<HostLimit> limits(const ProcessLimits& own = {}) const { return host_limits(own, scratch_.path); }

  private:
    test::Scratch scratch_;
};

// All but what the machine has itself.
std::vector<std::size_t> groups(const Machine& m) {
    std::vector<std::size_t> bytes;
    for (const HostLimit& l : m.limits())
        if (l.source != "MemAvailable of /proc/meminfo") bytes.push_back(l.bytes);
    return bytes;
}

using Sizes = std::vector<std::size_t>;

}  // namespace

TEST_CASE("host memory: what the system has, less the page tables") {
    std::vector<HostLimit> all = Machine().limits();
    REQUIRE(all.size() == 1);
    CHECK(all[0].of == Of::resident);
    CHECK(all[0].bytes == of_pages(100 * mib));
    CHECK(all[0].source == "MemAvailable of /proc/meminfo");
}

TEST_CASE("host memory: a machine that says nothing sets no limit") {
    test::Scratch empty;
    CHECK(host_limits({}, empty.path).empty());
}

TEST_CASE("host memory: every group of version 2 up to the mount limits, less what it cannot let go") {
    Machine m;
    m.version_2("/", "/a/b");
    m.group("sys/fs/cgroup/a/b", "max", "anon 5\n");
    m.group("sys/fs/cgroup/a", std::to_string(64 * mib), "file 999\nanon 1048576\nshmem 1048576\n");
    m.group("sys/fs/cgroup/other", "1", "");
    CHECK(groups(m) == Sizes{of_pages(62 * mib)});
    CHECK(m.limits()[1].source == "/sys/fs/cgroup/a/memory.max, less 2097152 in use");
    m.group("sys/fs/cgroup/a/b", std::to_string(32 * mib), "");
    CHECK(groups(m) == Sizes{of_pages(32 * mib), of_pages(62 * mib)});
    m.group("sys/fs/cgroup", std::to_string(16 * mib), "anon 0\n");
    CHECK(groups(m) == Sizes{of_pages(32 * mib), of_pages(62 * mib), of_pages(16 * mib)});
}

TEST_CASE("host memory: a group that uses more than it may leaves nothing") {
    Machine m;
    m.version_2("/", "/");
    m.group("sys/fs/cgroup", "1000", "anon 2000\n");
    CHECK(groups(m) == Sizes{0});
    m.group("sys/fs/cgroup", "many", "anon 2000\n");
    CHECK(groups(m) == Sizes{});
}

TEST_CASE("host memory: a container sees its group as the mount") {
    for (std::string group : {"/docker/x", "/docker/x/in", "/elsewhere", "/../../x"}) {
        CAPTURE(group);
        Machine m;
        m.version_2("/docker/x", group);
        m.group("sys/fs/cgroup", std::to_string(8 * mib), "anon 0\n");
        CHECK(groups(m) == Sizes{of_pages(8 * mib)});
        m.group("sys/fs/cgroup/in", std::to_string(4 * mib), "anon 0\n");
        Sizes both{of_pages(4 * mib), of_pages(8 * mib)}, mount{of_pages(8 * mib)};
        CHECK(groups(m) == (group.ends_with("in") ? both : mount));
    }
}

TEST_CASE("host memory: groups of version 1, beside a version 2 without memory") {
    Machine m;
    m.put("proc/self/cgroup", "9:name=systemd:/s\n4:hugetlb,memory:/a\n2:cpu:/c\n0::/u\n");
    m.put("proc/self/mountinfo",
          "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
          "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,hugetlb,memory\n"
          "36 31 0:33 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
          "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
    m.put("sys/fs/cgroup/memory/a/memory.limit_in_bytes", std::to_string(10 * mib) + "\n");
    m.put("sys/fs/cgroup/memory/a/memory.stat", "rss 7\ntotal_rss 1048576\ntotal_shmem 0\n");
    m.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    CHECK(groups(m) == Sizes{of_pages(9 * mib), of_pages(9223372036854771712u)});
}

TEST_CASE("host memory: the process's own limits, less what it has") {
    Machine m;
    std::vector<HostLimit> all = m.limits({10 * mib, 20 * mib, 3 * mib});
    REQUIRE(all.size() == 4);
    CHECK(all[1].of == Of::mapped);
    CHECK(all[1].bytes == 8 * mib);
    CHECK(all[2].of == Of::mapped);
    CHECK(all[2].bytes == 20 * mib - 512 * 1024);
    CHECK(all[3].of == Of::pinned);
    CHECK(all[3].bytes == 2 * mib);
    m.put("proc/self/status", "CapEff:\t000001ffffffffff\n");  // may lock what it likes
    CHECK(m.limits({{}, {}, 3 * mib}).size() == 1);
    m.put("proc/self/status", "CapEff:\t000001ffffffbfff\n");  // all but CAP_IPC_LOCK
    CHECK(m.limits({{}, {}, 3 * mib}).size() == 2);
}

TEST_CASE("host memory: a system that never promises more than it has") {
    Machine m;
    m.put("proc/meminfo", "CommitLimit: 3072 kB\nCommitted_AS: 1024 kB\n");
    m.put("proc/sys/vm/overcommit_memory", "0\n");
    CHECK(m.limits().empty());
    m.put("proc/sys/vm/overcommit_memory", "2\n");
    REQUIRE(m.limits().size() == 1);
    CHECK(m.limits()[0].of == Of::mapped);
    CHECK(m.limits()[0].bytes == 2 * mib);
}

TEST_CASE("host memory: this machine has some") {
    std::vector<HostLimit> all = host_limits(process_limits());
    REQUIRE(!all.empty());
    CHECK(all[0].bytes > mib);
    CHECK(address_space_of_thread() > mib);
}

}  // namespace tandem
