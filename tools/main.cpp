#include <cstdio>

int main() {
    std::fprintf(stderr, "tandem: no command yet\n");
    return 2;
}
