"""Literal tiny configurations of model types, for each of which attridex is compared with plain transformers."""

from collections.abc import Callable
from typing import Any

import transformers as hf

SMALL = {"vocab_size": 40, "num_labels": 3, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
BASE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64, **SMALL}
PLAIN = {**BASE, "intermediate_size": 40}
GROUPED = {**PLAIN, "num_key_value_heads": 2}
HEADED = {**GROUPED, "head_dim": 8}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, **SMALL}
DEBERTA = {**PLAIN, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "pooler_hidden_size": 32}
EMBEDDED = {**PLAIN, "embedding_size": 16}
MODERN = {**PLAIN, "cls_token_id": 1, "sep_token_id": 1}
FALCON = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_hidden_size": 40, **SMALL}
LINEAR = {"linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
ROUTED = {**HEADED, "intermediate_size": 12, "num_experts_per_tok": 2}
QWEN2_MOE = {"moe_intermediate_size": 8, "shared_expert_intermediate_size": 20, "num_experts": 4}
QWEN3_MOE = {"moe_intermediate_size": 8, "num_experts": 4, "mlp_only_layers": [1]}
GLM4_MOE = {
    "moe_intermediate_size": 8, "n_routed_experts": 4, "n_shared_experts": 2, "first_k_dense_replace": 1, "n_group": 2,
    "topk_group": 2,
}  # fmt: skip
STATES = {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4, **SMALL}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0, **SMALL}
BART = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48, "decoder_ffn_dim": 40, "max_position_embeddings": 64, "decoder_start_token_id": 1, **SMALL,
}  # fmt: skip
CANINE = {**PLAIN, "num_hash_buckets": 16, "num_hash_functions": 4, "local_transformer_stride": 8, "upsampling_kernel_size": 4}
XLM = {"emb_dim": 32, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64, "embed_init_std": 0.2, **SMALL}
LED = {"attention_window": 4, "max_encoder_position_embeddings": 64, "max_decoder_position_embeddings": 64}
LATENT = {
    **PLAIN, **GLM4_MOE, "num_experts_per_tok": 2, "kv_lora_rank": 8, "q_lora_rank": 16, "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4, "v_head_dim": 8,
}  # fmt: skip
LATENT_HEADS = {
    name: LATENT[name] for name in ("kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
}
JAMBA = {
    "num_experts": 4, "mamba_d_state": 4, "mamba_d_conv": 2, "mamba_dt_rank": 4, "attn_layer_period": 2, "attn_layer_offset": 1,
    "expert_layer_period": 2, "expert_layer_offset": 1, "use_mamba_kernels": False,
}  # fmt: skip
GRIFFIN = {"lru_width": 32, "block_types": ["recurrent", "attention"], "attention_window_size": 8}
NEO = {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "intermediate_size": 40, "max_position_embeddings": 64, **SMALL}

MODELS: dict[str, Callable[[], Any]] = {
    "albert": lambda: hf.AlbertConfig(**EMBEDDED),
    "albert (groups)": lambda: hf.AlbertConfig(**{**EMBEDDED, "num_hidden_layers": 4}, num_hidden_groups=2, inner_group_num=2),
    "apertus": lambda: hf.ApertusConfig(**GROUPED),
    "bart": lambda: hf.BartConfig(**BART),
    "bert": lambda: hf.BertConfig(**PLAIN),
    "bert (decoder)": lambda: hf.BertConfig(**PLAIN, is_decoder=True),
    "big_bird": lambda: hf.BigBirdConfig(**PLAIN, attention_type="original_full", sep_token_id=1),
    "big_bird (sparse)": lambda: hf.BigBirdConfig(**PLAIN, sep_token_id=1),
    "biogpt": lambda: hf.BioGptConfig(**PLAIN),
    "bloom": lambda: hf.BloomConfig(hidden_size=32, n_layer=2, n_head=4, **SMALL),
    "camembert": lambda: hf.CamembertConfig(**PLAIN),
    "canine": lambda: hf.CanineConfig(**CANINE),
    "codegen": lambda: hf.CodeGenConfig(**GPT, rotary_dim=4),
    "cohere": lambda: hf.CohereConfig(**GROUPED),
    "cohere2": lambda: hf.Cohere2Config(**GROUPED),
    "convbert": lambda: hf.ConvBertConfig(**EMBEDDED),
    "ctrl": lambda: hf.CTRLConfig(**GPT, dff=40),
    "deberta": lambda: hf.DebertaConfig(**DEBERTA),
    "deberta-v2": lambda: hf.DebertaV2Config(**DEBERTA, share_att_key=True, position_buckets=8, norm_rel_ebd="layer_norm"),
    "deepseek_v2": lambda: hf.DeepseekV2Config(**{**LATENT, "q_lora_rank": None}),
    "deepseek_v3": lambda: hf.DeepseekV3Config(**LATENT),
    "distilbert": lambda: hf.DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=40, max_position_embeddings=64, **SMALL),
    "electra": lambda: hf.ElectraConfig(**EMBEDDED),
    "ernie": lambda: hf.ErnieConfig(**PLAIN),
    "ernie4_5": lambda: hf.Ernie4_5Config(**HEADED),
    "esm": lambda: hf.EsmConfig(**PLAIN, mask_token_id=2),
    "eurobert": lambda: hf.EuroBertConfig(**GROUPED, classifier_pooling="bos"),
    "eurobert (late)": lambda: hf.EuroBertConfig(**GROUPED, classifier_pooling="late"),
    "exaone4": lambda: hf.Exaone4Config(**GROUPED),
    "falcon": lambda: hf.FalconConfig(**FALCON),
    "falcon (alibi)": lambda: hf.FalconConfig(**FALCON, alibi=True, parallel_attn=False),
    "falcon_mamba": lambda: hf.FalconMambaConfig(**STATES),
    "flaubert": lambda: hf.FlaubertConfig(**XLM),
    "fnet": lambda: hf.FNetConfig(**PLAIN),
    "gemma": lambda: hf.GemmaConfig(**HEADED),
    "gemma2": lambda: hf.Gemma2Config(**HEADED, query_pre_attn_scalar=8, attn_logit_softcapping=2.0),
    "gemma3_text": lambda: hf.Gemma3TextConfig(**HEADED, query_pre_attn_scalar=8),
    "glm": lambda: hf.GlmConfig(**HEADED),
    "glm4": lambda: hf.Glm4Config(**HEADED),
    "glm4_moe": lambda: hf.Glm4MoeConfig(**ROUTED, **GLM4_MOE),
    "gpt2": lambda: hf.GPT2Config(**GPT),
    "gpt2 (no padding token)": lambda: hf.GPT2Config(**{**GPT, "pad_token_id": None}, return_dict=False),
    "gpt_bigcode": lambda: hf.GPTBigCodeConfig(**GPT),
    "gpt_neo": lambda: hf.GPTNeoConfig(**NEO, attention_types=[[["global", "local"], 1]], window_size=8),
    "gpt_neox": lambda: hf.GPTNeoXConfig(**PLAIN),
    "gpt_oss": lambda: hf.GptOssConfig(**ROUTED, num_local_experts=4, sliding_window=5),
    "gptj": lambda: hf.GPTJConfig(**GPT, rotary_dim=4),
    "granite": lambda: hf.GraniteConfig(**GROUPED, logits_scaling=2.0, residual_multiplier=0.5, embedding_multiplier=2.0),
    "granitemoe": lambda: hf.GraniteMoeConfig(**ROUTED, num_local_experts=4, residual_multiplier=0.5),
    "helium": lambda: hf.HeliumConfig(**HEADED),
    "hunyuan_v1_dense": lambda: hf.HunYuanDenseV1Config(**HEADED),
    "ibert": lambda: hf.IBertConfig(**PLAIN),
    "jamba": lambda: hf.JambaConfig(**ROUTED, **JAMBA),
    "lfm2": lambda: hf.Lfm2Config(**GROUPED, layer_types=["conv", "full_attention"], block_auto_adjust_ff_dim=False),
    "llama": lambda: hf.LlamaConfig(**GROUPED),
    "llama (one layer)": lambda: hf.LlamaConfig(**{**GROUPED, "num_hidden_layers": 1}, mlp_bias=True, tie_word_embeddings=True),
    "led": lambda: hf.LEDConfig(**BART, **LED),
    "longformer": lambda: hf.LongformerConfig(**PLAIN, attention_window=4, sep_token_id=1),
    "longt5": lambda: hf.LongT5Config(**T5, local_radius=3),
    "longt5 (global)": lambda: hf.LongT5Config(
        **T5, local_radius=3, encoder_attention_type="transient-global", global_block_size=4
    ),
    "m2m_100": lambda: hf.M2M100Config(**BART),
    "markuplm": lambda: hf.MarkupLMConfig(**PLAIN),
    "mbart": lambda: hf.MBartConfig(**BART),
    "mamba": lambda: hf.MambaConfig(**STATES),
    "mamba2": lambda: hf.Mamba2Config(**STATES, num_heads=8, head_dim=8, n_groups=2),
    "marian": lambda: hf.MarianConfig(**BART),
    "megatron-bert": lambda: hf.MegatronBertConfig(**PLAIN),
    "minicpm3": lambda: hf.MiniCPM3Config(**PLAIN, **LATENT_HEADS),
    "mistral": lambda: hf.MistralConfig(**GROUPED, sliding_window=5),
    "mixtral": lambda: hf.MixtralConfig(**ROUTED, num_local_experts=4),
    "mobilebert": lambda: hf.MobileBertConfig(**EMBEDDED, intra_bottleneck_size=16, true_hidden_size=16),
    "modernbert": lambda: hf.ModernBertConfig(**MODERN, classifier_pooling="cls"),
    "modernbert (mean)": lambda: hf.ModernBertConfig(**MODERN, classifier_pooling="mean"),
    "modernbert-decoder": lambda: hf.ModernBertDecoderConfig(**MODERN, sliding_window=4),
    "mpnet": lambda: hf.MPNetConfig(**PLAIN),
    "mpt": lambda: hf.MptConfig(d_model=32, n_heads=4, n_layers=2, expansion_ratio=2, max_seq_len=64, **SMALL),
    "nemotron": lambda: hf.NemotronConfig(**GROUPED),
    "nomic_bert": lambda: hf.NomicBertConfig(**PLAIN),
    "nystromformer": lambda: hf.NystromformerConfig(**PLAIN, num_landmarks=4, segment_means_seq_len=4),
    "olmo": lambda: hf.OlmoConfig(**GROUPED),
    "olmo2": lambda: hf.Olmo2Config(**GROUPED),
    "olmo3": lambda: hf.Olmo3Config(**GROUPED, sliding_window=4),
    "olmoe": lambda: hf.OlmoeConfig(**ROUTED, num_experts=4),
    "openai-gpt": lambda: hf.OpenAIGPTConfig(**GPT),
    "opt": lambda: hf.OPTConfig(**BASE, ffn_dim=40, word_embed_proj_dim=32),
    "opt (projected)": lambda: hf.OPTConfig(**BASE, ffn_dim=40, word_embed_proj_dim=16),
    "mt5": lambda: hf.MT5Config(**T5),
    "plbart": lambda: hf.PLBartConfig(**BART),
    "pegasus": lambda: hf.PegasusConfig(**BART),
    "persimmon": lambda: hf.PersimmonConfig(**PLAIN),
    "phi": lambda: hf.PhiConfig(**PLAIN),
    "phi3": lambda: hf.Phi3Config(**GROUPED),
    "phimoe": lambda: hf.PhimoeConfig(**ROUTED, num_local_experts=4),
    "qwen2": lambda: hf.Qwen2Config(**GROUPED),
    "qwen2_moe": lambda: hf.Qwen2MoeConfig(**ROUTED, **QWEN2_MOE),
    "qwen3": lambda: hf.Qwen3Config(**HEADED),
    "qwen3_5_text": lambda: hf.Qwen3_5TextConfig(**HEADED, **LINEAR, layer_types=["linear_attention", "full_attention"]),
    "qwen3_moe": lambda: hf.Qwen3MoeConfig(**ROUTED, **QWEN3_MOE),
    "recurrent_gemma": lambda: hf.RecurrentGemmaConfig(**HEADED, **GRIFFIN),
    "rembert": lambda: hf.RemBertConfig(**PLAIN, input_embedding_size=16, output_embedding_size=16),
    "roberta": lambda: hf.RobertaConfig(**PLAIN),
    "roformer": lambda: hf.RoFormerConfig(**PLAIN),
    "seed_oss": lambda: hf.SeedOssConfig(**HEADED),
    "smollm3": lambda: hf.SmolLM3Config(**GROUPED),
    "squeezebert": lambda: hf.SqueezeBertConfig(**PLAIN, embedding_size=32),
    "stablelm": lambda: hf.StableLmConfig(**GROUPED),
    "starcoder2": lambda: hf.Starcoder2Config(**GROUPED),
    "t5": lambda: hf.T5Config(**T5),
    "t5 (gated)": lambda: hf.T5Config(**T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    "umt5": lambda: hf.UMT5Config(**T5),
    "xglm": lambda: hf.XGLMConfig(d_model=32, num_layers=2, attention_heads=4, ffn_dim=40, max_position_embeddings=64, **SMALL),
    "xlm": lambda: hf.XLMConfig(**XLM),
    "xlm-roberta": lambda: hf.XLMRobertaConfig(**PLAIN),
    "xlnet": lambda: hf.XLNetConfig(d_model=32, n_layer=2, n_head=4, d_inner=40, **SMALL),
    "xlnet (mean)": lambda: hf.XLNetConfig(d_model=32, n_layer=2, n_head=4, d_inner=40, summary_type="mean", **SMALL),
    "yoso": lambda: hf.YosoConfig(**PLAIN),
}
