package served

import (
	"io"

	"github.com/OWNER/ridgeline/calibrate"
	"github.com/OWNER/ridgeline/internal/records"
	"github.com/OWNER/ridgeline/precision"
)

// Run is one line of serving.csv: a whole run of a model under a serving engine
// with a fixed number of requests in flight.
type Run struct {
	Line                          int
	Model, System                 string
	Engine, Version               string
	Precision                     precision.DType // of weights and products
	TP                            int
	Prompt, Generate, Concurrency int
	TTFT, TPOT                    float64 // seconds, means over the requests
}

// Hardware is the profile name of the run's system.
func (r *Run) Hardware() string { return calibrate.LongName(r.System) }

// Read reads a table of served runs. name is what errors call the file.
func Read(in io.Reader, name string) ([]Run, error) {
	var out []Run
	err := records.Each(in, name, func(rec *records.Record) error {
		out = append(out, Run{
			Line: rec.Line, Model: rec.Text("model"), System: rec.Text("system"), Engine: rec.Text("engine"), Version: rec.Text("engine_version"),
			Precision: rec.Format("precision"), TP: int(rec.Size("tp", 1)),
			Prompt: int(rec.Size("prompt", 1)), Generate: int(rec.Size("generate", 1)), Concurrency: int(rec.Size("concurrency", 1)),
			TTFT: rec.Duration("ttft_ms", 1e3), TPOT: rec.Duration("tpot_ms", 1e3),
		})
		return rec.Err()
	})
	return out, err
}
