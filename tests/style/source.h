// The sources as the rules of STYLE see them: lists of files, lines, functions, includes.
#pragma once
#include <string>
#include <vector>

namespace tandem::style {

// Files that git tracks, or would (`others`), relative to the top of the checkout.
std::vector<std::string> tracked_files();
std::vector<std::string> tracked_files_and_others();

bool is_cpp(const std::string& path);  // .h, .cpp, .cu, .cuh

std::vector<std::string> lines_of(const std::string& path);

// The text with comments, preprocessor lines and what stands between quotes replaced by blanks; lines stay.
std::string code_only(const std::string& text);

struct Function {
    int first_line;  // of its signature, from 1
    int lines;       // to the closing brace
};

// Every function body in namespace or class scope; lambdas count with the function that holds them.
std::vector<Function> functions(const std::string& text);

}  // namespace tandem::style
