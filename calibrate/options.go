package calibrate

import "github.com/OWNER/ridgeline/costmodel/kerneltime"

// Options of a fit. The zero value holds those with which the embedded profiles were fitted.
type Options struct {
	Folds       int // folds of the cross-validation; 0 stands for 10
	Evaluations int // how often the loss is evaluated for each curve; 0 stands for 900
	Rounds      int // the most rounds of straightening; 0 stands for 12

	// Progress, if it is not nil, is called when a part of the work is done: for each class the
	// physics, every fold, and the corrections.
	Progress func(done, total int, what string)
	done     int
	total    int

	// Onto, if it is not nil, is a profile whose other classes are kept. Classes lists the
	// classes to fit; an empty list stands for all.
	Onto    *kerneltime.Profile
	Classes []kerneltime.Class

	// The next fields say where the measurements come from, for the profile. EngineOf replaces
	// Engine for single classes.
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

// parts returns how many parts it takes to fit a class.
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
