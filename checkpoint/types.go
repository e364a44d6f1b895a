package checkpoint

import (
	"strings"
)

// Verified lists the types of which whole checkpoints were loaded and gave the same logits as the
// modelling code. For baichuan, chatglm, internlm, internlm2, kimi_k2, mimo, minicpm, orion and qwen,
// whose code is not in Transformers, it was the class there that computes the same, with its tensors
// under the type's names; for kimi_linear the formulas of arXiv:2510.26692 in plain PyTorch. The
// tables of the other types follow the names in the modelling code but were never compared with a
// checkpoint.
func Verified() []string {
	return strings.Fields(`
		afmoe apertus arcee baichuan bamba bitnet bloom chatglm cohere cohere2 cwm deepseek_v2 deepseek_v3
		deepseek_v32 diffllama dots1 ernie4_5 ernie4_5_moe exaone4 exaone_moe falcon falcon_h1 falcon_mamba
		flex_olmo gemma gemma2 gemma3_text gemma3n_text gemma4_text glm glm4 glm4_moe glm4_moe_lite
		glm_moe_dsa gpt2 gpt_bigcode gpt_neox gpt_oss gptj granite granitemoe granitemoehybrid
		granitemoeshared helium hunyuan_v1_dense hunyuan_v1_moe internlm internlm2 jamba jetmoe kimi_k2 kimi_linear lfm2
		lfm2_moe llama llama4_text longcat_flash mamba mamba2 mimo mimo_v2_flash minicpm minicpm3 minimax
		minimax_m2 minimax_m3 ministral3 mistral mistral4 mixtral mpt nemotron_h olmo olmo2 olmo3 olmo_hybrid olmoe
		opt orion persimmon phi phi3 phimoe qwen qwen2 qwen2_moe qwen3 qwen3_5_moe_text qwen3_5_text
		qwen3_moe qwen3_next recurrent_gemma rwkv seed_oss smollm3 solar_open stablelm starcoder2 vaultgemma
		xlstm youtu zamba zamba2`)
}

// schemes returns the tables of all types.
func schemes() map[string]scheme {
	return map[string]scheme{
		"llama":            llama(),
		"llama4_text":      llama4(),
		"persimmon":        persimmon(),
		"mpt":              mpt(),
		"bloom":            bloom(),
		"diffllama":        diffLlama(),
		"afmoe":            afmoe(),
		"deepseek":         deepSeek(),
		"dots1":            deepSeek(),
		"ernie4_5_moe":     deepSeek().with(map[string]entry{"moe.router_bias": one("gate.moe_statics.e_score_correction_bias")}),
		"exaone_moe":       deepSeek(),
		"flex_olmo":        sandwich(llama()),
		"glm4_moe":         deepSeek(),
		"granitemoe":       graniteHybrid(),
		"granitemoeshared": graniteHybrid(),
		"minimax_m2":       llama().with(map[string]entry{"moe.router_bias": one("e_score_correction_bias")}),
		"mimo_v2_flash":    deepSeek(),
		"olmoe":            llama(),
		"phimoe":           llama().with(map[string]entry{"moe.router": one("router.weight")}),
		"qwen2_moe":        llama(),
		"solar_open":       deepSeek(),
		"deepseek_v2":      deepSeek(),
		"deepseek_v3":      deepSeek(),
		"kimi_k2":          deepSeek(),
		"kimi_linear":      kimiLinear(),
		"deepseek_v32":     deepSeek(),
		"glm_moe_dsa":      deepSeek(),
		"minicpm3":         deepSeek(),
		"glm4_moe_lite":    deepSeek(),
		"youtu":            deepSeek(),
		"mistral4":         deepSeek(),
		"longcat_flash":    longcat(),
		"mistral":          llama(),
		"qwen2":            llama(),
		"qwen3":            llama(),
		"phi3":             phi3(),
		"mixtral":          llama(),
		"qwen3_moe":        llama(),
		"gpt_oss":          gptOss(),
		"qwen3_next":       qwen3Next(),
		"rwkv":             rwkv(),
		"rwkv5":            rwkv(),
		"recurrent_gemma":  recurrentGemma(),
		"qwen3_5_text":     qwen35(),
		"mamba":            mamba(),
		"falcon_mamba":     mamba(),
		"mamba2":           mamba(),
		"jamba":            jamba(),
		"jetmoe":           jetMoE(),
		"lfm2":             lfm2(),
		"bamba":            bamba(),
		"falcon_h1":        falconH1(),
		"granitemoehybrid": graniteHybrid(),
		"nemotron_h":       nemotronH(),
		"apertus":          apertus(),
		"arcee":            llama(),
		"bitnet":           bitNet(),
		"cwm":              llama(),
		"ernie4_5":         llama(),
		"granite":          llama(),
		"helium":           llama(),
		"hunyuan_v1_dense": hunyuan(),
		"ministral3":       llama(),
		"minimax":          minimax(),
		"minimax_m1":       minimaxM1(),
		"minimax_m3":       minimaxM3(),
		"mimo":             llama(),
		"minicpm":          llama(),
		"olmo":             llama(),
		"orion":            llama(),
		"seed_oss":         llama(),
		"smollm3":          llama(),
		"stablelm":         stableLM(),
		"gemma":            onePlusNorms(llama(), "mixer_norm", "ffn_norm", "final_norm"),
		"gemma2":           gemma2(),
		"gemma3_text":      gemma2(),
		"gemma3n_text":     gemma3n(),
		"gemma4_text":      gemma4(),
		"xlstm":            xlstm(),
		"zamba":            zamba(),
		"zamba2":           zamba2(),
		"vaultgemma":       onePlusNorms(sandwich(llama()), "mixer_norm", "ffn_norm", "final_norm"),
		"glm":              glm(),
		"glm4":             glm4(),
		"olmo2":            olmo2(),
		"olmo3":            olmo2(),
		"olmo_hybrid":      olmoHybrid(),
		"hunyuan_v1_moe":   hunyuanMoE(),
		"lfm2_moe":         lfm2MoE(),
		"qwen3_5_moe_text": qwen35(),
		"exaone4":          olmo2(),
		"cohere":           llama(),
		"cohere2":          llama(),
		"gpt_neox":         gptNeoX(),
		"starcoder2":       starcoder2(),
		"phi":              phi(),
		"gpt2":             gpt2(),
		"gpt_bigcode":      gptBigCode(),
		"gptj":             gptJ(),
		"opt":              opt(),
		"falcon":           falcon(),
		"internlm2":        internLM2(),
		"internlm":         llama(),
		"baichuan":         baichuan(),
		"chatglm":          chatGLM(),
		"qwen":             qwen1(),
	}
}
