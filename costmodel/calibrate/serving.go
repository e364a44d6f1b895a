package calibrate

import (
	"io"
	"sort"
	"strconv"

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
			TTFT: rec.milliseconds("ttft_ms"), TPOT: rec.milliseconds("tpot_ms"),
		})
		return rec.err
	})
	return out, err
}

func (r *record) milliseconds(column string) float64 {
	t := r.text(column)
	v, err := strconv.ParseFloat(t, 64)
	switch {
	case r.err != nil:
	case err != nil:
		r.fail(column, "%q is not a number", t)
	case !(v > 0 && v < 1e9):
		r.fail(column, "%s is not a positive time", t)
	}
	return v * 1e-3
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
	te.MAPE = mean(apes)
	te.MAPEOver20 = te.MAPE
	sort.Float64s(apes)
	te.MedianAPE, te.P90APE = quantile(apes, 0.5), quantile(apes, 0.9)
	return te
}
