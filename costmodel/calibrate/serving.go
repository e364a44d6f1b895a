package calibrate

import (
	"io"

	"ridgeline/precision"
)

// ServedRun is one line of serving.csv: a whole run of a model under a serving engine
// with a fixed number of requests in flight.
type ServedRun struct {
	Line                          int
	Model, System                 string
	Engine, Version               string
	Precision                     precision.DType // of weights and products
	TP                            int
	Prompt, Generate, Concurrency int
	TTFT, TPOT                    float64 // seconds, means over the requests
}

// Hardware is the profile name of the run's system.
func (r *ServedRun) Hardware() string { return LongName(r.System) }

// ReadServing reads a table of served runs. name is what errors call the file.
func ReadServing(in io.Reader, name string) ([]ServedRun, error) {
	var out []ServedRun
	err := eachRecord(in, name, func(rec *record) error {
		out = append(out, ServedRun{
			Line: rec.line, Model: rec.text("model"), System: rec.text("system"), Engine: rec.text("engine"), Version: rec.text("engine_version"),
			Precision: rec.dtype("precision"), TP: int(rec.size("tp", 1)),
			Prompt: int(rec.size("prompt", 1)), Generate: int(rec.size("generate", 1)), Concurrency: int(rec.size("concurrency", 1)),
			TTFT: rec.duration("ttft_ms", 1e3), TPOT: rec.duration("tpot_ms", 1e3),
		})
		return rec.err
	})
	return out, err
}

// ServedError is the error of one served run.
type ServedError struct{ Seconds, APE float64 }

// ServedTableError sums up errors of served runs, as class "serving".
func ServedTableError(file, hardware, basis string, errs []ServedError) TableError {
	te := TableError{File: file, Hardware: hardware, Class: "serving", Rows: len(errs), Basis: basis}
	apes := make([]float64, len(errs))
	for i, e := range errs {
		apes[i] = e.APE
	}
	te.sum(apes)
	te.MAPEOver20 = te.MAPE
	return te
}
