package serving

import "sort"

// Host holds the times, in seconds, that an engine's host adds to those of the kernels.
type Host struct {
	Step     float64 `yaml:"step"`     // for each step
	Kernel   float64 `yaml:"kernel"`   // for each kernel of a step: gaps between launches, and what small kernels take beyond the time for their bytes
	Sequence float64 `yaml:"sequence"` // for each sequence in a step
	Token    float64 `yaml:"token"`    // for each prompt token in a step
	Request  float64 `yaml:"request"`  // for each request before the engine gets it: HTTP
	Tokenise float64 `yaml:"tokenise"` // for each prompt token before the engine gets its request
	Reply    float64 `yaml:"reply"`    // from a token to its client
}

// Graphs says for which batches of decode steps an engine has captured CUDA graphs.
type Graphs struct {
	Sizes      []int // ascending; a batch between two sizes is padded up to the larger one
	MaxContext int   // steps with a longer context run without a graph; 0 for no limit
	Mixed      bool  // whether steps with prompt tokens up to the largest size are padded graphs too
	Exact      bool  // whether a batch without a graph of its own size runs without a graph, instead of being padded
	None       bool  // whether nothing runs as a graph
}

// pad returns on how many rows a step of b decodes runs, and whether it runs without a graph.
// tokens counts the prompt tokens in the step; context is the longest context.
func (g *Graphs) pad(b int, prompts bool, tokens, context int) (rows int, eager bool) {
	if g.None {
		return 0, true
	}
	if g.MaxContext > 0 && context > g.MaxContext && !prompts {
		return 0, true
	}
	n := b + tokens
	if prompts && !g.Mixed || len(g.Sizes) == 0 {
		return 0, false // with prompts kernels take long, and launches are hidden behind them
	}
	i := sort.SearchInts(g.Sizes, n)
	if i == len(g.Sizes) {
		return 0, !prompts
	}
	if g.Exact {
		return 0, g.Sizes[i] != n && !prompts
	}
	if g.Sizes[i] == n {
		return 0, false
	}
	return b + g.Sizes[i] - n, false
}

// Ratio is SGLang's guess of which share of its allowed output a running sequence will still
// generate: it falls from Initial to Least over Steps decode steps in which memory does not run
// out.
type Ratio struct {
	Initial, Least float64
	Steps          int
}

// Limits holds the settings of an engine for one model and device.
type Limits struct {
	Engine      string
	Policy      string
	Kernels     float64 // number of kernel launches in a step
	Layout      *Layout
	Blocks      int
	Seqs        int // the most sequences that run at once
	Budget      int // the most tokens of a step
	Threshold   int // the most tokens of one prompt in a step; 0 for no limit below the budget
	Chunked     bool
	PrefixCache bool
	Lookahead   bool     // whether a step is scheduled while the one before is computed
	ReserveFull bool     // whether a request is admitted only when blocks for its whole prompt are free
	Promised    bool     // whether vLLM's schedulers admit a request only when all blocks that it may ever need are free, so that none is preempted. No engine does this; it serves to find out what preemption costs
	Watermark   int      // blocks that must stay free when a request is admitted
	MaxLen      int      // the longest sequence in tokens; 0 for no limit
	Side        SidePool // for windows, beside the blocks (SGLang)
	MixedChunk  bool     // whether steps with prompt tokens decode too (SGLang)
	PromptMost  int      // the most prompt tokens admitted in one step, independent of the chunk; 0 for no limit
	Clip        int      // the most output tokens reserved on admission (SGLang); 0 for all
	Graphs      Graphs
	Host        Host
	Ratio       Ratio
	Verified    Verified

	// The next fields are of deployments over several devices. Zero values stand for one device
	// or one tensor-parallel group.
	Groups   int  // data-parallel groups, each with a scheduler and a cache of its own: Seqs, Budget and Blocks are of one
	Together int  // how many of the groups step together because they share experts
	Stages   int  // number of stages of a pipeline
	Virtual  bool // whether each stage has a scheduler and a share of the cache (vLLM V0's virtual engines)
	Micro    int  // the most sequences in a step of a pipeline; 0 for no limit
	InTurn   bool // whether groups get requests in turn, and not the least busy one the next
}

func (l *Limits) policy() policy {
	switch l.Policy {
	case "prefill-first-whole":
		if l.Chunked {
			return budgeted{}
		}
		return wholeFirst{}
	case "prefill-first-chunked":
		return chunkedFirst{}
	case "no-evict":
		return inFlight{}
	case "max-utilization":
		return inFlight{evict: true}
	}
	return budgeted{}
}

// most returns the number of blocks that a request may need at its end.
func (l *Limits) most(prompt, generate int) int {
	n := prompt + generate - 1 + l.Verified.Drafts
	return max(l.Layout.NeedPrompt(n), l.Layout.Need(n))
}

// recomputed is the longest prompt that a request can become: its own, and where it may be
// preempted all but the last token of its answer too.
func (l *Limits) recomputed(prompt, generate int) int {
	if l.Policy == "no-evict" {
		return prompt
	}
	return prompt + generate - 1
}

// servable returns why a request could not run even if it were the only one, "" where it could.
func (l *Limits) servable(prompt, generate int) (why string) {
	switch {
	case prompt <= 0:
		return "an empty prompt"
	case generate <= 0:
		return "no tokens to generate"
	case l.MaxLen > 0 && prompt+generate > l.MaxLen:
		return "longer than max_model_len"
	case l.ahead() > l.Budget:
		return "more drafted tokens than max_num_batched_tokens"
	case !l.Chunked && l.recomputed(prompt, generate) > l.Budget:
		return "longer than max_num_batched_tokens, without chunked prefill"
	case l.most(prompt, generate) > l.Blocks-l.Watermark:
		return "longer than the cache"
	}
	return ""
}

// promised reports whether the blocks that a request may ever need are neither in use nor
// reserved for running sequences.
func (l *Limits) promised(r *Replica, q *seq) bool {
	return !l.Promised || r.reserved+l.most(q.Prompt, q.Generate) <= l.Blocks-l.Watermark
}

// reserve returns how many blocks are reserved for a sequence when it is admitted without
// eviction.
func (l *Limits) reserve(q *seq) int {
	if l.Policy != "no-evict" && !l.Promised {
		return 0
	}
	return l.most(q.Prompt, q.Generate)
}
