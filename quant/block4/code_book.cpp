#include "quant/block4/code_book.h"

#include "quant/block4/fp4.h"
#include "quant/block4/nf4.h"

namespace tandem {

CodeBook code_book(Block4::Book book) {
    if (book == Block4::Book::nf4) return {nf4_code_book, nf4_encode};
    return {fp4_code_book, fp4_encode};
}

}  // namespace tandem
