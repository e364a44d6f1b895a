package plan

import (
	"fmt"
	"strings"
)

// Command is the command line that starts one replica of a deployment with an engine's own
// flags, as its documentation has them:
//
//	vLLM          docs.vllm.ai, engine arguments of vllm serve
//	SGLang        docs.sglang.io, server arguments of sglang.launch_server
//	TensorRT-LLM  nvidia.github.io/TensorRT-LLM, trtllm-serve; what it has no flag for is a
//	              YAML file given as --extra_llm_api_options
//
// Where prompts and decoding have replicas of their own there is a line for each; a router in front
// (vLLM's and SGLang's own, trtllm-serve disaggregated) sends requests to the one and then the other.
//
// Formats are those that the engine quantises to by itself, from a 16-bit checkpoint; for
// others name a checkpoint that is stored so.
func Command(c *Candidate, model string) string {
	if !c.Ratio.Apart() {
		return command(c, model, "")
	}
	return command(c, model, prefills) + "\n" + command(c, model, decodes)
}

// What a replica does where it does not do both.
const (
	prefills = "prefill"
	decodes  = "decode"
)

func command(c *Candidate, model, role string) string {
	var b strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&b, " "+format, args...) }
	quoted := shell(model)
	fp8 := c.Weights == "fp8"
	kv8 := c.KV == "fp8"
	engine, _, _ := strings.Cut(c.Engine, "-")
	switch engine {
	case "sglang":
		b.WriteString("python -m sglang.launch_server --model-path " + quoted)
		add("--tp-size %d", c.TP*dpOf(c))
		if c.PP > 1 {
			add("--pp-size %d", c.PP)
		}
		if c.DP > 1 {
			add("--dp-size %d --enable-dp-attention", c.DP)
		}
		if c.EP > 1 {
			add("--ep-size %d", c.EP)
		}
		if fp8 {
			add("--quantization fp8")
		}
		if kv8 {
			add("--kv-cache-dtype fp8_e4m3")
		}
		add("--max-running-requests %d --chunked-prefill-size %d", c.Seqs, c.Budget)
		if u := c.settings.MemoryUtilization; u != nil {
			add("--mem-fraction-static %g", *u)
		}
		for _, x := range c.Draft.sglang() {
			add("%s", x)
		}
		if role != "" {
			add("--disaggregation-mode %s", role)
		}
	case "trtllm":
		b.WriteString("trtllm-serve " + quoted)
		add("--backend pytorch --tp_size %d", c.TP*dpOf(c))
		if c.PP > 1 {
			add("--pp_size %d", c.PP)
		}
		if c.EP > 1 {
			add("--ep_size %d", c.EP)
		}
		add("--max_batch_size %d --max_num_tokens %d", c.Seqs, c.Budget)
		if u := c.settings.MemoryUtilization; u != nil {
			add("--kv_cache_free_gpu_memory_fraction %g", *u)
		}
		var yaml []string
		if kv8 {
			yaml = append(yaml, "kv_cache_config: {dtype: fp8}")
		}
		if c.DP > 1 {
			yaml = append(yaml, "enable_attention_dp: true")
		}
		if s := c.Draft.trtllm(); s != "" {
			yaml = append(yaml, "speculative_config: "+s)
		}
		if role != "" {
			yaml = append(yaml, "cache_transceiver_config: {backend: DEFAULT}")
			if role == prefills {
				yaml = append(yaml, "disable_overlap_scheduler: true")
			}
		}
		if len(yaml) > 0 {
			add("--extra_llm_api_options options.yaml # options.yaml: %s", strings.Join(yaml, "; "))
		}
	default:
		b.WriteString("vllm serve " + quoted)
		add("--tensor-parallel-size %d", c.TP)
		if c.PP > 1 {
			add("--pipeline-parallel-size %d", c.PP)
		}
		if c.DP > 1 {
			add("--data-parallel-size %d", c.DP)
		}
		if c.EP > 1 {
			add("--enable-expert-parallel")
		}
		if fp8 {
			add("--quantization fp8")
		}
		if kv8 {
			add("--kv-cache-dtype fp8")
		}
		add("--max-num-seqs %d --max-num-batched-tokens %d", c.Seqs, c.Budget)
		if u := c.settings.MemoryUtilization; u != nil {
			add("--gpu-memory-utilization %g", *u)
		}
		if n := c.settings.MaxModelLen; n != nil {
			add("--max-model-len %d", *n)
		}
		if s := c.Draft.vllm(); s != "" {
			add("--speculative-config %s", shell(s))
		}
		if role != "" {
			add("--kv-transfer-config %s", shell(fmt.Sprintf(`{"kv_connector":"NixlConnector","kv_role":"kv_%s"}`, map[string]string{prefills: "producer", decodes: "consumer"}[role])))
		}
	}
	return b.String()
}

// vllm is the speculative_config of vLLM (vllm/config/speculative.py); "" for none.
func (d Drafted) vllm() string {
	switch {
	case d.Tokens == 0:
		return ""
	case d.Name == "ngram":
		return fmt.Sprintf(`{"method":"ngram","num_speculative_tokens":%d,"prompt_lookup_max":4}`, d.Tokens)
	case d.Name == "mtp":
		return fmt.Sprintf(`{"method":"mtp","num_speculative_tokens":%d}`, d.Tokens)
	}
	return fmt.Sprintf(`{"method":"draft_model","model":%q,"num_speculative_tokens":%d}`, d.Name, d.Tokens)
}

// sglang is the flags of SGLang: a chain of drafted tokens, no tree.
func (d Drafted) sglang() []string {
	chain := fmt.Sprintf("--speculative-num-steps %d --speculative-eagle-topk 1 --speculative-num-draft-tokens %d", d.Tokens, d.Tokens+1)
	switch {
	case d.Tokens == 0:
		return nil
	case d.Name == "ngram":
		return []string{fmt.Sprintf("--speculative-algorithm NGRAM --speculative-num-draft-tokens %d", d.Tokens+1)}
	case d.Name == "mtp":
		return []string{"--speculative-algorithm NEXTN", chain}
	}
	return []string{"--speculative-algorithm STANDALONE --speculative-draft-model-path " + shell(d.Name), chain}
}

// trtllm is the speculative_config of TensorRT-LLM; "" for none.
func (d Drafted) trtllm() string {
	switch {
	case d.Tokens == 0:
		return ""
	case d.Name == "ngram":
		return fmt.Sprintf("{decoding_type: NGram, max_draft_len: %d}", d.Tokens)
	case d.Name == "mtp":
		return fmt.Sprintf("{decoding_type: MTP, num_nextn_predict_layers: %d}", d.Tokens)
	}
	return fmt.Sprintf("{decoding_type: DraftTarget, max_draft_len: %d, speculative_model_dir: %s}", d.Tokens, d.Name)
}

func dpOf(c *Candidate) int { return max(c.DP, 1) }

// shell quotes a word where a shell would read more into it.
func shell(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=+@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
