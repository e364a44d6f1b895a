package calibrate

import "github.com/OWNER/ridgeline/costmodel/kerneltime"

// Options of a fit; the zero value is what the embedded profiles were fitted with.
type Options struct {
	Folds       int // of cross-validation; 0 = 10
	Evaluations int // of the loss for each curve; 0 = 900
	Rounds      int // of straightening at most; 0 = 12

	// Progress, when set, is called as parts of the work are done: of each class the
	// physics, every fold and the corrections.
	Progress func(done, total int, what string)
	done     int
	total    int

	// Onto, when set, is a profile whose other classes are kept; Classes are those to fit, all
	// by default.
	Onto    *kerneltime.Profile
	Classes []kerneltime.Class

	// Where the measurements are from, for the profile's provenance. EngineOf overrides
	// Engine for one class.
	Source, Commit, Engine, License string
	EngineOf                        map[kerneltime.Class]string
}

func (o *Options) folds() int {
	if o.Folds > 1 {
		return o.Folds
	}
	return 10
}

func (o *Options) evaluations() int {
	if o.Evaluations > 0 {
		return o.Evaluations
	}
	return 900
}

func (o *Options) rounds() int {
	if o.Rounds > 0 {
		return o.Rounds
	}
	return 12
}

// parts is how many parts fitting a class has.
func (o *Options) parts() int { return o.folds() + 2 }

func (o *Options) part(what string) {
	if o.done++; o.Progress != nil {
		o.Progress(min(o.done, o.total), o.total, what)
	}
}

func (o *Options) engine(c kerneltime.Class) string {
	if e, ok := o.EngineOf[c]; ok {
		return e
	}
	return o.Engine
}
