// Package serving simulates an engine that serves a model. Requests arrive, wait, are batched by
// a scheduler, share a pool of cache blocks and leave; the time of every step comes from a cost
// model.
//
// Units: seconds, tokens, bytes. A run is a discrete-event simulation that is exact under its
// rules: between two events all sequences decode, and the time of k such steps is one sum that
// the cost model has a formula for (see Replica). Nothing depends on the clock, on the number of
// cores or on the order of a map: the same seed gives the same bytes.
//
// The rules of engines are taken from their sources; engines.yaml names the file that each
// default comes from.
//
//	vLLM 0.7.3 (V0)   vllm/core/scheduler.py, core/block_manager.py
//	vLLM V1           vllm/v1/core/sched/scheduler.py, v1/core/kv_cache_utils.py
//	SGLang            python/sglang/srt/managers/schedule_policy.py
//	TensorRT-LLM      tensorrt_llm/_torch/pyexecutor/scheduler.py
package serving

// Step holds the sums that say what one step of an engine computes. The price of a step depends
// on nothing else.
type Step struct {
	Decodes  int       // sequences that generate one token each
	Contexts float64   // sum over those sequences of their contexts, the new position included
	Seen     []float64 // for each window of the pricer: sum over those sequences of costmodel.Seen
	Growing  []float64 // for each window: number of sequences that read one position more in the next step; only Run reads it
	Chunks   []Chunk   // pieces of prompts
	Padded   int       // rows to which a CUDA graph pads the decodes; 0 for no padding
	Eager    bool      // whether kernels are launched one by one, outside a graph
	Drafts   int       // drafted tokens that each decoding sequence verifies
	Advance  float64   // mean number of positions that a sequence gains from step to step of a Run; 0 stands for 1
}

// Chunk is a piece of one prompt: New tokens that follow Past tokens in the cache.
type Chunk struct{ New, Past int }

// A Pricer says how long steps take, in seconds. Only one goroutine uses it at a time.
type Pricer interface {
	// Windows returns the finite attention windows of the model in ascending order. An attention
	// chunk is given as minus its length.
	Windows() []int
	// Mixed returns the time of one step.
	Mixed(*Step) float64
	// Run returns the time of k steps that only decode. From each step to the next, Contexts
	// grows by Decodes and Seen[i] by Growing[i], each multiplied by Advance.
	Run(s *Step, k int) float64
}

// Segment is a part of a prompt, or of what follows it, that other requests may share: equal IDs
// mean that all tokens from the start of the prompt up to the segment's end are equal.
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
	// Shared holds the segments of the prompt, from its start, whose content other requests may
	// share. What is left of the prompt belongs to this request alone. Segments beyond the prompt
	// are parts of the answer.
	Shared []Segment
	// Timeout is how many seconds the client waits before it gives up; 0 stands for any time.
	Timeout float64
}

// Status says how a request ended.
type Status uint8

// The ways in which a request can end.
const (
	Done Status = iota
	Unservable
	TimedOut
)

var statusNames = []string{"done", "unservable", "timeout"}

func (s Status) String() string { return statusNames[s] }

// Record says what became of a request. Times are in seconds from the start of the run.
type Record struct {
	Request
	Status      Status
	Why         string // why a request could not be served
	Replica     int
	Scheduled   float64 // when it was first in a step
	First       float64 // when the client had the first token
	End         float64 // when the client had the last token, or gave up
	Handed      float64 // when its prompt was done, on a replica that does not decode
	Landed      float64 // when the replica that decodes it had its cache
	Cached      int     // number of prompt tokens found in the prefix cache when it was first scheduled
	Preemptions int

	seen bool // whether it has been scheduled
}

// TTFT returns the time from arrival to the first token, in seconds.
func (r *Record) TTFT() float64 { return r.First - r.Arrive }

// E2E returns the time from arrival to the last token, in seconds.
func (r *Record) E2E() float64 { return r.End - r.Arrive }

// TPOT returns the mean time per output token after the first, in seconds; ok is false where
// there was only one token.
func (r *Record) TPOT() (seconds float64, ok bool) {
	if r.Generate < 2 {
		return 0, false
	}
	return (r.End - r.First) / float64(r.Generate-1), true
}
