// Whether what a chat template writes as tokens are tokens of a tokenizer.
#pragma once
#include "models/text/chat_template.h"
#include "models/text/tokenizer.h"

namespace tandem {

// BOS, the end token and every <|…|> that the template writes must each become one id: cut into pieces they would say
// nothing to the model. Other markers, such as [INST], are plain text. An InputError names the one that is cut.
void require_template_tokens(const ChatTemplate& chat, const Tokenizer& tokenizer, const SpecialStrings& special);

}  // namespace tandem
