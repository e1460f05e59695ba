tandem_room(models models tandem_ops)
target_link_libraries(tandem_models PRIVATE PCRE2::8BIT utf8proc::utf8proc)
tandem_public_headers(models/llama/graph.h models/llama/generate.h models/text/tokenizer.h models/text/chat_template.h
    models/train/trainer.h)
