package serving

import "sort"

// Host is what an engine's host adds to the kernels, in seconds.
type Host struct {
	Step     float64 `yaml:"step"`     // a step
	Kernel   float64 `yaml:"kernel"`   // a kernel of a step: launch gaps, and what small kernels take beyond their bytes
	Sequence float64 `yaml:"sequence"` // a sequence in a step
	Token    float64 `yaml:"token"`    // a prompt token in a step
	Request  float64 `yaml:"request"`  // before the engine has a request: HTTP
	Tokenise float64 `yaml:"tokenise"` // a prompt token before the engine has its request
	Reply    float64 `yaml:"reply"`    // from a token to its client
}

// Graphs are the batches of decode steps that an engine has captured as CUDA graphs.
type Graphs struct {
	Sizes      []int // ascending; a smaller batch is padded up to the next
	MaxContext int   // steps with a longer context run eagerly; 0: none do
	Mixed      bool  // steps with prompt tokens up to the largest size are graphs too, padded
	Exact      bool  // no padding: a batch without its own graph runs eagerly
	None       bool  // everything is eager
}

// pad returns the rows a step of b decodes runs on, and whether it is eager. tokens are
// those of prompts in it, context is the longest.
func (g *Graphs) pad(b int, prompts bool, tokens, context int) (rows int, eager bool) {
	if g.None {
		return 0, true
	}
	if g.MaxContext > 0 && context > g.MaxContext && !prompts {
		return 0, true
	}
	n := b + tokens
	if prompts && !g.Mixed || len(g.Sizes) == 0 {
		return 0, false // prompts are long: launches hide behind their kernels
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

// Ratio is SGLang's guess of how much of its allowed output a running sequence will still
// make: from Initial down to Least over Steps decode steps without running out of memory.
type Ratio struct {
	Initial, Least float64
	Steps          int
}

// Limits are an engine's settings on a device, compiled.
type Limits struct {
	Engine      string
	Policy      string
	Kernels     float64 // launches of a step
	Layout      *Layout
	Blocks      int
	Seqs        int // most sequences at once
	Budget      int // most tokens of a step
	Threshold   int // most tokens of one prompt in a step; 0: the budget
	Chunked     bool
	PrefixCache bool
	Lookahead   bool // schedules a step while the one before runs
	ReserveFull bool // admits only where the whole prompt's blocks are free
	Promised    bool // vLLM's policies admit only where all blocks a request may ever hold are there, so that none is preempted: no engine's rule, to tell what preemption costs
	Watermark   int  // blocks kept free when admitting
	MaxLen      int  // 0: no limit
	MixedChunk  bool // steps with prompt tokens decode too (SGLang)
	PromptMost  int  // most prompt tokens admitted in one step, whatever the chunk; 0: none
	Clip        int  // most output tokens reserved on admission (SGLang); 0: all
	Graphs      Graphs
	Host        Host
	Ratio       Ratio
	Verified    Verified

	// Of a deployment over several devices; zero values are one device, or one tensor-parallel
	// group.
	Groups   int  // data-parallel groups, each with a scheduler and a cache of its own: Seqs, Budget and Blocks are of one
	Together int  // of those, how many step together, since they share experts
	Stages   int  // of a pipeline
	Virtual  bool // each stage has a scheduler and a share of the cache (vLLM V0's virtual engines)
	Micro    int  // most sequences of a step of a pipeline; 0: no such limit
	InTurn   bool // groups take requests in turn, else the one with the least to do
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

// most is the blocks a request may hold at its end.
func (l *Limits) most(prompt, generate int) int {
	n := prompt + generate - 1 + l.Verified.Drafts
	return max(l.Layout.NeedPrompt(n), l.Layout.Need(n))
}

// servable reports whether a request could run if it were alone, and why not.
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
	case !l.Chunked && prompt+generate-1 > l.Budget:
		return "longer than max_num_batched_tokens, without chunked prefill"
	case l.most(prompt, generate) > l.Blocks-l.Watermark:
		return "longer than the cache"
	}
	return ""
}

// promised reports whether the blocks a request may ever hold are free of promises made to
// running sequences.
func (l *Limits) promised(r *Replica, q *seq) bool {
	return !l.Promised || r.reserved+l.most(q.Prompt, q.Generate) <= l.Blocks-l.Watermark
}

// reserve is the blocks promised to a sequence when it is admitted without eviction.
func (l *Limits) reserve(q *seq) int {
	if l.Policy != "no-evict" && !l.Promised {
		return 0
	}
	return l.most(q.Prompt, q.Generate)
}
