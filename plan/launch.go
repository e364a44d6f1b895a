package plan

import (
	"fmt"
	"strings"
)

// Command returns the command line that starts one replica of a deployment, with the engine's own
// flags as its documentation has them:
//
//	vLLM          docs.vllm.ai, engine arguments of vllm serve
//	SGLang        docs.sglang.io, server arguments of sglang.launch_server
//	TensorRT-LLM  nvidia.github.io/TensorRT-LLM, trtllm-serve; settings without a flag are in
//	              a YAML file given as --extra_llm_api_options
//
// Where prompts and decoding have replicas of their own, there is one line for each kind. A
// router in front of them (vLLM's or SGLang's own, or trtllm-serve disaggregated) sends each
// request first to the one kind and then to the other.
//
// Formats are those to which the engine itself quantises a 16-bit checkpoint; for another format,
// name a checkpoint that is stored in it.
func Command(c *Candidate, model string) string {
	if !c.Ratio.Apart() {
		return command(c, model, "")
	}
	return command(c, model, prefills) + "\n" + command(c, model, decodes)
}

// What a replica does, where it does not do both.
const (
	prefills = "prefill"
	decodes  = "decode"
)

// launcher says how the command line of an engine expresses each setting of a candidate: as a
// flag, or, where the text begins with yaml, as an entry of the options file. Formats are filled
// in with the value; "" stands for a setting that the engine cannot express.
type launcher struct {
	start          string                      // the beginning, with the model
	split          func(*Candidate) []string   // flags of the division over devices
	limits         func(*Candidate) (int, int) // largest number of sequences and of tokens in a step, as the engine counts them
	limit          string                      // flags of both
	weights8, kv8  string
	memory, length string
	draft          func(Drafted) []string
	role           map[string][]string // flags by what the replica does
}

const yaml = "yaml: "

// launchers holds the engines by the first word of their names.
var launchers = map[string]launcher{
	"vllm": {
		start: "vllm serve %s", split: (*Candidate).splitVLLM, limits: (*Candidate).limitsOfOne,
		weights8: "--quantization fp8", kv8: "--kv-cache-dtype fp8",
		limit:  "--max-num-seqs %d --max-num-batched-tokens %d",
		memory: "--gpu-memory-utilization %g", length: "--max-model-len %d",
		draft: Drafted.vllm,
		role: map[string][]string{
			prefills: {`--kv-transfer-config '{"kv_connector":"NixlConnector","kv_role":"kv_producer"}'`},
			decodes:  {`--kv-transfer-config '{"kv_connector":"NixlConnector","kv_role":"kv_consumer"}'`}},
	},
	"sglang": {
		start: "python -m sglang.launch_server --model-path %s", split: (*Candidate).splitSGLang, limits: (*Candidate).limitsOfAll,
		weights8: "--quantization fp8", kv8: "--kv-cache-dtype fp8_e4m3",
		limit:  "--max-running-requests %d --chunked-prefill-size %d",
		memory: "--mem-fraction-static %g",
		draft:  Drafted.sglang,
		role: map[string][]string{
			prefills: {"--disaggregation-mode prefill"}, decodes: {"--disaggregation-mode decode"}},
	},
	"trtllm": {
		start: "trtllm-serve %s --backend pytorch", split: (*Candidate).splitTRTLLM, limits: (*Candidate).limitsOfStage,
		kv8:    yaml + "kv_cache_config: {dtype: fp8}",
		limit:  "--max_batch_size %d --max_num_tokens %d",
		memory: "--kv_cache_free_gpu_memory_fraction %g",
		draft:  Drafted.trtllm,
		role: map[string][]string{
			prefills: {yaml + "cache_transceiver_config: {backend: DEFAULT}", yaml + "disable_overlap_scheduler: true"},
			decodes:  {yaml + "cache_transceiver_config: {backend: DEFAULT}"}},
	},
}

func command(c *Candidate, model, role string) string {
	name, _, _ := strings.Cut(c.Engine, "-")
	l, ok := launchers[name]
	if !ok { // "ideal" adds nothing to what vLLM does
		l = launchers["vllm"]
	}
	line := []string{fmt.Sprintf(l.start, shell(model))}
	var file []string
	add := func(format string, values ...any) {
		if entry, ok := strings.CutPrefix(format, yaml); ok {
			file = append(file, entry)
			return
		}
		if format != "" {
			if !strings.Contains(format, "%") { // a flag without a value
				values = nil
			}
			line = append(line, fmt.Sprintf(format, values...))
		}
	}
	say := func(flags []string) {
		for _, said := range flags {
			if entry, ok := strings.CutPrefix(said, yaml); ok {
				file = append(file, entry)
			} else {
				line = append(line, said)
			}
		}
	}
	say(l.split(c))
	if c.Weights == "fp8" {
		add(l.weights8)
	}
	if c.KV == "fp8" {
		add(l.kv8)
	}
	seqs, budget := l.limits(c)
	add(l.limit, seqs, budget)
	if u := c.settings.MemoryUtilization; u != nil {
		add(l.memory, *u)
	}
	if n := c.settings.MaxModelLen; n != nil {
		add(l.length, *n)
	}
	say(l.draft(c.Draft))
	say(l.role[role])
	if len(file) > 0 {
		line = append(line, "--extra_llm_api_options options.yaml # options.yaml: "+strings.Join(file, "; "))
	}
	return strings.Join(line, " ")
}

// several returns a flag for a number of ranks, and nothing for one rank.
func several(format string, n int) []string {
	if n <= 1 {
		return nil
	}
	return []string{fmt.Sprintf(format, n)}
}

// sharing returns how many groups share experts and therefore each step, 1 where groups are replicas.
func (c *Candidate) sharing() int {
	if c.EP <= c.TP {
		return 1
	}
	return max(c.DP, 1)
}

// splitVLLM returns vLLM's parallel config (vllm/engine/arg_utils.py): experts are spread over all ranks
// or none.
func (c *Candidate) splitVLLM() []string {
	out := []string{fmt.Sprintf("--tensor-parallel-size %d", c.TP)}
	out = append(out, several("--pipeline-parallel-size %d", c.PP)...)
	out = append(out, several("--data-parallel-size %d", c.DP)...)
	if c.EP > 1 {
		out = append(out, "--enable-expert-parallel")
	}
	return out
}

// splitSGLang returns SGLang's flags (sglang/srt/server_args.py): with dp attention, groups are a part of the
// tensor-parallel ranks, and head and dense networks are kept whole in each; without it, dp-size is
// replicas.
func (c *Candidate) splitSGLang() []string {
	n := c.sharing()
	out := []string{fmt.Sprintf("--tp-size %d", c.TP*n)}
	out = append(out, several("--pp-size %d", c.PP)...)
	out = append(out, several("--dp-size %d", c.DP)...)
	if n > 1 {
		out = append(out, "--enable-dp-attention --enable-dp-lm-head")
		if c.TP == 1 {
			out = append(out, "--moe-dense-tp-size 1")
		}
	}
	return append(out, several("--ep-size %d", c.EP)...)
}

// splitTRTLLM returns TensorRT-LLM's flags (tensorrt_llm/commands/serve.py): with attention_dp every rank is a
// group.
func (c *Candidate) splitTRTLLM() []string {
	out := []string{fmt.Sprintf("--tp_size %d", c.TP*max(c.DP, 1))}
	out = append(out, several("--pp_size %d", c.PP)...)
	if c.DP > 1 {
		out = append(out, yaml+"enable_attention_dp: true")
	}
	return append(out, several("--ep_size %d", c.EP)...)
}

// limitsOfOne returns the limits of each group.
func (c *Candidate) limitsOfOne() (seqs, budget int) { return c.Seqs, c.Budget }

// limitsOfAll returns the limits of all groups that share a step.
func (c *Candidate) limitsOfAll() (seqs, budget int) {
	return c.Seqs * c.sharing(), c.Budget * c.sharing()
}

// limitsOfStage returns the limits of one microbatch of a pipeline.
func (c *Candidate) limitsOfStage() (seqs, budget int) { return c.Seqs / max(c.PP, 1), c.Budget }

// vllm returns vLLM's speculative_config (vllm/config/speculative.py).
func (d Drafted) vllm() []string {
	config := fmt.Sprintf(`{"method":"draft_model","model":%q,"num_speculative_tokens":%d}`, d.Name, d.Tokens)
	switch {
	case d.Tokens == 0:
		return nil
	case d.Name == "ngram":
		config = fmt.Sprintf(`{"method":"ngram","num_speculative_tokens":%d,"prompt_lookup_max":4}`, d.Tokens)
	case d.Name == "mtp":
		config = fmt.Sprintf(`{"method":"mtp","num_speculative_tokens":%d}`, d.Tokens)
	}
	return []string{"--speculative-config " + shell(config)}
}

// sglang returns SGLang's flags for a chain of drafted tokens, without a tree.
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

// trtllm returns TensorRT-LLM's speculative_config, an entry of its options file.
func (d Drafted) trtllm() []string {
	config := fmt.Sprintf("{decoding_type: DraftTarget, max_draft_len: %d, speculative_model_dir: %s}", d.Tokens, d.Name)
	switch {
	case d.Tokens == 0:
		return nil
	case d.Name == "ngram":
		config = fmt.Sprintf("{decoding_type: NGram, max_draft_len: %d}", d.Tokens)
	case d.Name == "mtp":
		config = fmt.Sprintf("{decoding_type: MTP, num_nextn_predict_layers: %d}", d.Tokens)
	}
	return []string{yaml + "speculative_config: " + config}
}

// shell quotes a word where a shell would read more into it.
func shell(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=+@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
