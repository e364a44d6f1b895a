package plan

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// With drafts and replicas apart too the plan is the best of simulating everything, and no
// simulated deployment costs less than its bound.
func TestBestOfAllVariants(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	found, drafted, apart := 0, 0, 0
	for i := range 10 {
		p := small(t)
		p.Devices = p.Devices[:1]
		p.Devices[0].Count = 6
		p.Space = Space{TP: []int{1}, Drafts: []Drafted{{}, {Name: "ngram", Tokens: 3, Acceptance: 0.6}}, Apart: []Ratio{{}, {1, 1}, {2, 1}}}
		draw(p, r, i, 120, 60, 0.004, 0.012)
		got, met := bestOfAll(t, p)
		if met {
			found++
		}
		for _, o := range got.Finalists {
			if o.Meets && o.Draft.Tokens > 0 {
				drafted++
			}
			if o.Meets && o.Ratio.Apart() {
				apart++
			}
		}
	}
	if found < 4 || drafted == 0 || apart == 0 {
		t.Errorf("%d loads are met, %d times with drafts, %d times by replicas apart", found, drafted, apart)
	}
}

// The estimate of replicas apart is near what the simulator finds where nothing queues.
func TestEstimateApart(t *testing.T) {
	p := small(t)
	p.Devices = p.Devices[:1]
	p.Devices[0].Count = 3
	p.Rate = 2
	p.Space = Space{TP: []int{1}, Drafts: []Drafted{{}, {Name: "ngram", Tokens: 3, Acceptance: 0.6}}, Apart: []Ratio{{2, 1}}}
	all, err := p.Estimates(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].GPUs != 3 {
		t.Fatalf("%d deployments, of %d devices", len(all), all[0].GPUs)
	}
	for _, c := range all {
		_, o := simulated(t, p, c)
		for _, x := range []struct {
			what     string
			est, sim float64
		}{{"TPOT", c.TPOT, o.TPOT}, {"TTFT", c.TTFT, o.TTFT}} {
			if math.Abs(x.est/x.sim-1) > 0.12 {
				t.Errorf("draft %s: %s is estimated as %g and simulated as %g", c.Draft, x.what, x.est, x.sim)
			}
		}
	}
}

// What an engine is started with, in its own words.
func TestCommandsOfVariants(t *testing.T) {
	ngram, mtp := Drafted{Name: "ngram", Tokens: 4}, Drafted{Name: "mtp", Tokens: 2}
	model := Drafted{Name: "meta-llama/Llama-3.2-1B", Model: &arch.Model{}, Tokens: 3}
	for _, tt := range []struct {
		engine string
		draft  Drafted
		ratio  Ratio
		want   []string // one of each line
	}{
		{"vllm-0.14", ngram, Ratio{}, []string{`--speculative-config '{"method":"ngram","num_speculative_tokens":4,"prompt_lookup_max":4}'`}},
		{"vllm-0.14", mtp, Ratio{}, []string{`--speculative-config '{"method":"mtp","num_speculative_tokens":2}'`}},
		{"vllm-0.14", model, Ratio{}, []string{`"model":"meta-llama/Llama-3.2-1B","num_speculative_tokens":3}'`}},
		{"vllm-0.14", Drafted{}, Ratio{2, 1}, []string{`"kv_role":"kv_producer"}'`, `"kv_role":"kv_consumer"}'`}},
		{"sglang", ngram, Ratio{1, 1}, []string{"--speculative-algorithm NGRAM --speculative-num-draft-tokens 5 --disaggregation-mode prefill", "--disaggregation-mode decode"}},
		{"sglang", mtp, Ratio{}, []string{"--speculative-algorithm NEXTN --speculative-num-steps 2 --speculative-eagle-topk 1 --speculative-num-draft-tokens 3"}},
		{"sglang", model, Ratio{}, []string{"STANDALONE --speculative-draft-model-path meta-llama/Llama-3.2-1B"}},
		{"trtllm", model, Ratio{}, []string{"speculative_config: {decoding_type: DraftTarget, max_draft_len: 3, speculative_model_dir: meta-llama/Llama-3.2-1B}"}},
		{"trtllm", mtp, Ratio{1, 2}, []string{"{decoding_type: MTP, num_nextn_predict_layers: 2}; cache_transceiver_config: {backend: DEFAULT}; disable_overlap_scheduler", "cache_transceiver_config"}},
	} {
		got := strings.Split(Command(&Candidate{TP: 1, Engine: tt.engine, Draft: tt.draft, Ratio: tt.ratio}, "m"), "\n")
		if len(got) != len(tt.want) {
			t.Errorf("%s %s %s: %d lines", tt.engine, tt.draft, tt.ratio, len(got))
			continue
		}
		for i, w := range tt.want {
			if !strings.Contains(got[i], w) {
				t.Errorf("%s %s %s: %s\nlacks %s", tt.engine, tt.draft, tt.ratio, got[i], w)
			}
		}
	}
}

// Devices in an engine's own words (vllm/engine/arg_utils.py, sglang/srt/server_args.py,
// tensorrt_llm/commands/serve.py and llmapi/llm_args.py).
func TestCommandsOverDevices(t *testing.T) {
	for _, tt := range []struct {
		c    Candidate
		want string
	}{
		{Candidate{Engine: "vllm-0.14", TP: 2, PP: 4, DP: 2, EP: 4, Seqs: 256, Budget: 8192}, "vllm serve m --tensor-parallel-size 2 --pipeline-parallel-size 4 --data-parallel-size 2 --enable-expert-parallel --max-num-seqs 256 --max-num-batched-tokens 8192"},
		{Candidate{Engine: "vllm-0.14", TP: 2, DP: 2, Seqs: 256, Budget: 8192}, "vllm serve m --tensor-parallel-size 2 --data-parallel-size 2 --max-num-seqs 256 --max-num-batched-tokens 8192"},
		{Candidate{Engine: "sglang", TP: 1, DP: 8, EP: 8, Seqs: 32, Budget: 1024}, "python -m sglang.launch_server --model-path m --tp-size 8 --dp-size 8 --enable-dp-attention --enable-dp-lm-head --moe-dense-tp-size 1 --ep-size 8 --max-running-requests 256 --chunked-prefill-size 8192"},
		{Candidate{Engine: "sglang", TP: 2, DP: 4, EP: 8, PP: 2, Seqs: 64, Budget: 2048}, "python -m sglang.launch_server --model-path m --tp-size 8 --pp-size 2 --dp-size 4 --enable-dp-attention --enable-dp-lm-head --ep-size 8 --max-running-requests 256 --chunked-prefill-size 8192"},
		{Candidate{Engine: "sglang", TP: 4, DP: 2, EP: 2, Seqs: 64, Budget: 2048}, "python -m sglang.launch_server --model-path m --tp-size 4 --dp-size 2 --ep-size 2 --max-running-requests 64 --chunked-prefill-size 2048"},
		{Candidate{Engine: "trtllm", TP: 1, DP: 8, EP: 8, Seqs: 256, Budget: 8192}, "trtllm-serve m --backend pytorch --tp_size 8 --ep_size 8 --max_batch_size 256 --max_num_tokens 8192 --extra_llm_api_options options.yaml # options.yaml: enable_attention_dp: true"},
		{Candidate{Engine: "trtllm", TP: 4, PP: 2, EP: 2, Seqs: 512, Budget: 8192}, "trtllm-serve m --backend pytorch --tp_size 4 --pp_size 2 --ep_size 2 --max_batch_size 256 --max_num_tokens 8192"},
	} {
		if got := Command(&tt.c, "m"); got != tt.want {
			t.Errorf("%+v:\n%s\nwant\n%s", tt.c, got, tt.want)
		}
	}
}

func TestParseVariants(t *testing.T) {
	open := func(name string) (*arch.Model, error) {
		if name == "small" || name == "a:b" {
			return &arch.Model{Name: name}, nil
		}
		return nil, errors.New("no such model")
	}
	for s, want := range map[string]string{"none": "", "ngram:4@0.5": "ngram:4@0.5", "mtp:1@1": "mtp:1@1", "small:3@0.70": "small:3@0.7", "a:b:2@0": "a:b:2@0"} {
		if d, err := ParseDrafted(s, open); err != nil || d.String() != want {
			t.Errorf("%s is read as %q (%v)", s, d, err)
		}
	}
	for _, s := range []string{"", "ngram", "ngram:4", "ngram:0@0.5", "ngram:65@0.5", "ngram:4@1.5", "ngram:4@x", "ngram:x@0.5", ":4@0.5", "other:4@0.5", "ngram:4@NaN"} {
		if d, err := ParseDrafted(s, open); err == nil {
			t.Errorf("%q is read as %+v", s, d)
		}
	}
	yes, err := ParseRatios("yes")
	if err != nil || len(yes) != 11 || slices.Contains(yes, Ratio{2, 4}) || !slices.Contains(yes, Ratio{3, 2}) {
		t.Errorf("all ratios are %v (%v)", yes, err)
	}
	for _, s := range []string{"", "maybe", "1", "0:1", "1:0", "65:1", "1:x", "-1:1", "1:1:1"} {
		if r, err := ParseRatios(s); err == nil {
			t.Errorf("%q is read as %v", s, r)
		}
	}
}

func FuzzVariants(f *testing.F) {
	for _, s := range []string{"none", "mtp:2@0.8", "a:b:3@1", "yes", "2:1", "x:1@", "@", ":"} {
		f.Add(s)
	}
	open := func(string) (*arch.Model, error) { return &arch.Model{}, nil }
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDrafted(s, open); err == nil && d.Tokens > 0 {
			if again, err := ParseDrafted(d.String(), open); err != nil || again.String() != d.String() {
				t.Errorf("%q is read as %s, and that as %s (%v)", s, d, again, err)
			}
		}
		if rs, err := ParseRatios(s); err == nil {
			for _, r := range rs {
				if r.Apart() && (r.Prefill < 1 || r.Decode < 1 || r.Group() > 2*mostOfRatio) {
					t.Errorf("%q is read as %v", s, r)
				}
			}
		}
	})
}
