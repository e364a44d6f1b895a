package models

import (
	"errors"
	"fmt"
	"os"

	"github.com/OWNER/ridgeline/arch/family"
)

// OpenFamily finds a family and its options by what a user writes: a family spec, or
// the name of a preset that is one. Unlike Open it leaves the model unbuilt, so that an
// option can be changed first; the depth may be missing.
func OpenFamily(what string) (name string, o family.Options, err error) {
	spec := what
	if p, ok := find(what); ok {
		if p.spec == "" {
			return "", o, notFamily(p.Name)
		}
		spec = p.spec
	}
	name, o, err = family.ReadSpec(spec)
	if errors.Is(err, family.ErrUnknown) {
		if _, err := Open(what); err != nil {
			return "", o, err
		}
		return "", o, notFamily(what)
	}
	if err != nil {
		return "", o, err
	}
	if _, err := os.Stat(what); err == nil {
		return "", o, notFamily(what)
	}
	return name, o, nil
}

// ErrNotFamily is matched by OpenFamily's error for a model that exists but was not made by
// a family: a file, or a preset whose shapes are given.
var ErrNotFamily = errors.New("not a family spec such as sambay(d=16)")

func notFamily(what string) error {
	return fmt.Errorf("%s is %w: its shape is given, there is nothing to solve for", what, ErrNotFamily)
}
