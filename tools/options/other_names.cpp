#include "tools/options/suggest.h"

namespace tandem {

namespace {

constexpr OtherNames all[] = {
    {"model", "",
     "base_model model_name_or_path model_id model_path model_dir pretrained_model_name_or_path pretrained "
     "base_model_name_or_path checkpoint_dir tokenizer tokenizer_name tokenizer_name_or_path hf_model m"},
    {"weights", "random", "random_init random_weights dummy_weights from_scratch init_weights load_format"},
    {"adapter", "",
     "adapter_name_or_path adapter_path adapter_dir lora_model_dir lora_path lora_weights lora lora_adapter "
     "lora_modules peft peft_model peft_model_id peft_path init_adapter"},
    {"train_type", "qlora",
     "load_in_4bit load_in_8bit qlora use_qlora quantization_bit quantize quantization 4bit bits int4 nf4 "
     "load_in_low_bit"},
    {"train_type", "lora", "lora use_lora use_peft peft lora_enable"},
    {"train_type", "full", "full full_finetuning full_finetune full_fine_tuning"},
    {"train_type", "", "finetuning_type peft_type peft_method tuner tuner_type method finetune_type adapter_type"},
    {"quant_type", "", "bnb_4bit_quant_type quantization_type bnb_quant_type quant_method quantization_method"},
    {"double_quant", "",
     "bnb_4bit_use_double_quant use_double_quant double_quantization use_nested_quant nested_quant"},
    {"precision", "bf16", "bf16 fp16 bfloat16 float16 half amp use_amp pure_bf16 use_bf16"},
    {"precision", "fp32", "fp32 float32 full_precision"},
    {"precision", "",
     "mixed_precision dtype torch_dtype compute_dtype bnb_4bit_compute_dtype compute_type amp_dtype tf32"},
    {"gpus", "cpu", "cpu use_cpu no_cuda cpu_only"},
    {"gpus", "",
     "device devices gpu gpu_ids gpu_id num_gpus n_gpu n_gpus ngpu num_processes nproc_per_node device_map "
     "cuda_visible_devices device_ids tensor_parallel_size"},
    {"gpu_memory", "", "max_memory max_memory_mb gpu_memory_utilization vram max_memory_per_gpu gpu_memory_limit"},
    {"weights_on", "mirror",
     "cpu_offload offload offload_params offload_param offload_folder offload_to_cpu fsdp_offload_params "
     "fsdp_cpu_offload"},
    {"threads", "", "num_threads n_threads nthreads cpu_threads omp_num_threads t"},
    {"context_length", "",
     "max_seq_length max_seq_len max_sequence_length sequence_len sequence_length seq_length seq_len "
     "cutoff_len block_size model_max_length max_length max_model_len context_len context_size context ctx_len "
     "ctx_size n_ctx num_ctx max_context_length max_tokens_per_sample"},
    {"batch_size", "",
     "per_device_train_batch_size per_device_eval_batch_size per_device_batch_size micro_batch_size "
     "per_gpu_train_batch_size train_batch_size eval_batch_size device_batch_size local_batch_size micro_batch "
     "microbatch_size batch bs b"},
    {"dataset", "",
     "train_file train_files train_data train_dataset training_file training_data dataset_name dataset_path "
     "dataset_id datasets dataset_dir data data_path data_file data_files data_dir train instruction_data f d"},
    {"dataset_samples", "",
     "max_train_samples max_samples max_eval_samples num_samples n_samples max_examples num_train_samples "
     "limit sample_size"},
    {"shuffle", "", "shuffle_dataset shuffle_data shuffle_merged_datasets train_shuffle data_shuffle"},
    {"packing", "",
     "sample_packing pack packed pack_samples pack_sequences neat_packing multipack pad_to_sequence_len"},
    {"truncate", "", "truncation truncate_samples excess_length_strategy allow_truncation truncation_side"},
    {"chat_template", "",
     "template prompt_template conversation_template chat_format prompt_format prompt_style prompt_type "
     "conv_template chat_template_name"},
    {"lora_rank", "", "lora_r r rank lora_dim lora_attn_dim lora_d peft_lora_r peft_r adapter_rank"},
    {"lora_alpha", "", "alpha peft_lora_alpha lora_scale lora_scaling lora_a"},
    {"lora_dropout", "", "dropout peft_lora_dropout adapter_dropout"},
    {"lora_target_modules", "",
     "target_modules lora_target lora_targets lora_target_linear lora_attn_modules lora_modules "
     "peft_target_modules lora_apply_to_mlp lora_layers"},
    {"use_rslora", "", "rslora rs_lora peft_use_rslora lora_rslora"},
    {"init_adapter", "",
     "adapter adapter_name_or_path adapter_path adapter_dir lora_model_dir lora_path lora_weights "
     "lora_checkpoint peft_model_id peft_model peft_path resume_adapter resume_adapter_file"},
    {"seed", "", "random_seed random_state rng_seed data_seed manual_seed global_seed s"},
    {"max_steps", "",
     "max_train_steps num_steps num_train_steps num_training_steps total_steps train_steps steps iters "
     "max_iters num_iterations iterations max_steps_per_epoch"},
    {"num_epochs", "", "epochs epoch num_train_epochs n_epochs max_epochs train_epochs e"},
    {"gradient_accumulation_steps", "",
     "gradient_accumulation grad_accum grad_accum_steps grad_accumulation_steps gradient_accum_steps "
     "accumulation_steps accumulate_grad_batches ga"},
    {"optimizer", "", "optim optimizer_type optimizer_name optimiser opt"},
    {"lr", "", "learning_rate base_lr max_lr peak_lr initial_lr lr_rate step_size learning_rate_init"},
    {"wd", "", "weight_decay adam_weight_decay l2 decay"},
    {"lr_scheduler", "cosine", "warmup warmup_steps warmup_ratio num_warmup_steps lr_warmup_steps warmup_iters"},
    {"lr_scheduler", "",
     "lr_scheduler_type scheduler scheduler_type lr_schedule schedule lr_decay_style lr_decay "
     "learning_rate_schedule learning_rate_scheduler"},
    {"grad_norm", "",
     "max_grad_norm max_gradient_norm gradient_clip gradient_clip_val grad_clip clip_grad_norm clip_grad "
     "max_norm"},
    {"apply_gradient_clipping", "", "gradient_clipping clip_gradients use_gradient_clipping"},
    {"sharding_strategy", "ddp", "ddp data_parallel"},
    {"sharding_strategy", "",
     "fsdp fsdp_config fsdp_sharding_strategy deepspeed deepspeed_config zero_stage zero parallel_mode "
     "distributed_type data_parallel_sharding_strategy"},
    {"use_gradient_checkpointing", "",
     "gradient_checkpointing activation_checkpointing enable_activation_checkpointing checkpoint_activations "
     "recompute recompute_activations grad_checkpoint"},
    {"transport", "", "backend ddp_backend distributed_backend nccl_backend"},
    {"output_dir", "",
     "output out out_dir output_path output_directory output_folder save_dir save_path save_to run_dir "
     "work_dir logging_dir log_dir adapter_output_dir o"},
    {"save_model", "", "save_full_model save_weights save_final_model save_merged"},
    {"resume", "",
     "resume_from_checkpoint resume_from resume_checkpoint auto_resume auto_resume_from_checkpoints "
     "load_checkpoint checkpoint ckpt ckpt_path restart"},
    {"resume", "never", "overwrite_output_dir overwrite no_resume"},
    {"checkpoint_every", "",
     "save_steps save_every save_freq save_interval save_strategy saves_per_epoch save_every_n_steps "
     "checkpointing_steps checkpoint_interval checkpoint_steps ckpt_interval steps_per_checkpoint "
     "save_per_epoch"},
    {"keep", "",
     "save_total_limit keep_last keep_last_n keep_checkpoints keep_last_n_checkpoints max_checkpoints "
     "total_limit checkpoints_total_limit"},
    {"eval_dataset", "",
     "eval_file eval_data eval_path validation_file validation_data validation_dataset valid_file valid_data "
     "val_file val_data val_dataset val_set_size test_file test_dataset test_datasets dev_file "
     "validation_split"},
    {"dataset", "", "eval_dataset eval_file eval_data test_file test_data validation_file validation_data"},
    {"eval_every", "",
     "eval_steps eval_strategy evaluation_strategy evals_per_epoch eval_freq eval_interval steps_per_eval "
     "val_interval val_check_interval run_val_every_n_steps validation_steps do_eval"},
    {"sample_prompt", "", "sample_prompts eval_prompt test_prompt generate_prompt"},
    {"log_to", "stdout",
     "logging_steps log_every log_every_n_steps log_interval steps_per_report logging_strategy disable_tqdm "
     "no_progress"},
    {"log_to", "", "report_to log_with logger tracker wandb use_wandb wandb_project"},
    {"trace", "", "profile profiler profiling torch_profile profile_steps trace_file"},
    {"prompt", "", "input input_text text prompt_text query prompt_file p"},
    {"chat", "", "message messages user user_prompt question instruction conversation cnv"},
    {"prompt_ids", "", "input_ids token_ids ids prompt_token_ids tokens"},
    {"max_new_tokens", "", "max_tokens n_predict num_predict max_gen_len max_output_tokens gen_len num_tokens n"},
    {"temperature", "0", "greedy deterministic"},
    {"temperature", "", "temp do_sample sampling top_p top_k min_p"},
    {"ignore_eos", "", "no_eos ignore_end no_stop"},
    {"text", "", "input input_text prompt string sentence query"},
    {"lines", "", "file input_file text_file texts files inputs"},
    {"add_special_tokens", "", "special_tokens add_bos add_bos_token bos add_special"},
    {"json", "", "json_output output_json as_json output_format format"},
    {"config", "", "config_file config_path configuration yaml c"},
    {"verbose", "", "debug log_level v"},
    {"help", "", "usage h"},
};

}  // namespace

std::span<const OtherNames> other_names() { return all; }

}  // namespace tandem
