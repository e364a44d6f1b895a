// Package serving simulates an engine that serves a model: requests arrive, wait, are
// batched by a scheduler, share a pool of cache blocks and leave, and the time of every
// step comes from a cost model.
//
// Units: seconds, tokens, bytes. A run is a discrete-event simulation, exact under its
// rules: between two events all sequences decode, and k such steps are one closed-form sum
// of the cost model (see Replica). Nothing depends on the wall clock, on the number of
// cores or on the order of a map: the same seed gives the same bytes.
//
// What engines do is taken from their sources; engines.yaml names the file of each default.
//
//	vLLM 0.7.3 (V0)   vllm/core/scheduler.py, core/block_manager.py
//	vLLM V1           vllm/v1/core/sched/scheduler.py, v1/core/kv_cache_utils.py
//	SGLang            python/sglang/srt/managers/schedule_policy.py
//	TensorRT-LLM      tensorrt_llm/_torch/pyexecutor/scheduler.py
package serving

// Step is the work of one step of an engine, as sums: what a step costs depends on them
// alone.
type Step struct {
	Decodes  int       // sequences that make one token each
	Contexts float64   // Σ over them of the positions each sees, its new one included
	Seen     []float64 // for each window of the pricer: Σ over them of costmodel.Seen
	Growing  []float64 // for each window: those that see one position more in the next step; only Run reads it
	Chunks   []Chunk   // pieces of prompts
	Padded   int       // rows that a CUDA graph pads the decodes to; 0: none
	Eager    bool      // launched kernel by kernel, outside any graph
	Drafts   int       // drafted tokens that each sequence that decodes verifies
	Advance  float64   // positions a sequence gains from step to step of a Run, in the mean; 0 is 1
}

// Chunk is a piece of one prompt: New tokens after Past that are in the cache.
type Chunk struct{ New, Past int }

// A Pricer says what steps cost, in seconds. It is used by one goroutine at a time.
type Pricer interface {
	// Windows are the finite attention windows of the model, ascending; chunks as minus their length.
	Windows() []int
	// Mixed is the time of one step.
	Mixed(*Step) float64
	// Run is the time of k steps that only decode: before each next one Contexts grows by
	// Decodes and Seen[i] by Growing[i], each times Advance.
	Run(s *Step, k int) float64
}

// Segment is a part of a prompt, or of what follows it, that other requests may share:
// equal IDs mean equal tokens from the start of the prompt up to the segment's end.
type Segment struct {
	ID     uint64
	Tokens int
}

// Request is what a client asks for.
type Request struct {
	ID       int
	Arrive   float64 // seconds from the start of the run
	Prompt   int     // tokens
	Generate int     // tokens
	// Shared are the segments of the prompt, from its start, whose content has a name; what
	// is left of the prompt is the request's own. Segments beyond the prompt name the answer.
	Shared []Segment
	// Timeout is how long the client waits before it gives up; 0 is for ever.
	Timeout float64
}

// Status is how a request ended.
type Status uint8

// The ends of requests.
const (
	Done Status = iota
	Unservable
	TimedOut
)

var statusNames = []string{"done", "unservable", "timeout"}

func (s Status) String() string { return statusNames[s] }

// Record is what became of a request. Times are seconds from the start of the run.
type Record struct {
	Request
	Status      Status
	Why         string // of a request that cannot be served
	Replica     int
	Scheduled   float64 // first time in a step
	First       float64 // first token at the client
	End         float64 // last token at the client, or when it was given up
	Handed      float64 // its prompt was worked, on a replica that decodes none
	Landed      float64 // what that left was where it decodes
	Cached      int     // prompt tokens found in the prefix cache when first scheduled
	Preemptions int

	seen bool // has been scheduled
}

// TTFT is the time to first token.
func (r *Record) TTFT() float64 { return r.First - r.Arrive }

// E2E is the time from arrival to the last token.
func (r *Record) E2E() float64 { return r.End - r.Arrive }

// TPOT is the mean time per output token after the first; ok is false where there was
// only one.
func (r *Record) TPOT() (seconds float64, ok bool) {
	if r.Generate < 2 {
		return 0, false
	}
	return (r.End - r.First) / float64(r.Generate-1), true
}
