package arch

// Field is one number, flag or choice of a mixer or FFN, with the name it has in model files.
// Each mixer lists its fields once. Files are read and written, fields are changed by name, and
// mixers are compared by means of that list.
type Field struct {
	Key string
	Doc string // one line
	// Value is a pointer into the mixer: *int (a size), *bool, *float64, *Activation or
	// *MemoryKind.
	Value any
	// Default returns the value of a field that a file does not give, in the type that Value
	// points to, or an error that says why the file must give it; nil stands for a field without
	// a default. It may depend on other fields of the mixer: those that the file gives have been
	// set, and so have the defaults of fields listed before.
	Default func(width int) any

	Not       bool   // whether the file says the opposite of the *bool
	AllowZero bool   // whether 0 may be written for an *int
	Zero      string // why 0 may not be written, after "KEY 0"; "" for the usual reason
	Shown     bool   // whether files have the field even where it has its default
	InputOnly bool   // whether a file may have the field, to set another one's default or to be checked against it, though the field is never written
	Instead   string // key of the field that may not be given together with this one

	// Vary sets the value in all layers of a model at the same time, with everything that depends
	// on it; nil where the mixer has no such number or does not use it.
	Vary func(n int)
}

// Get returns the value of the field.
func (f Field) Get() any {
	switch p := f.Value.(type) {
	case *int:
		return *p
	case *bool:
		return *p
	case *float64:
		return *p
	case *Activation:
		return *p
	case *MemoryKind:
		return *p
	}
	panic("arch: field " + f.Key + " is of a type that no field has")
}

// Set gives the field a value of its type.
func (f Field) Set(v any) {
	switch p := f.Value.(type) {
	case *int:
		*p = v.(int)
	case *bool:
		*p = v.(bool)
	case *float64:
		*p = v.(float64)
	case *Activation:
		*p = v.(Activation)
	case *MemoryKind:
		*p = v.(MemoryKind)
	default:
		panic("arch: field " + f.Key + " is of a type that no field has")
	}
}

// Fields lists the fields of a copy of a mixer.
func Fields(m Mixer) []Field {
	var fs []Field
	m.edit(func(f []Field) { fs = f })
	return fs
}

// EditFields returns the mixer after change has changed its fields.
func EditFields(m Mixer, change func([]Field)) Mixer { return m.edit(change) }

// FFNFields lists the fields of a copy of an FFN.
func FFNFields(f FFN) []Field {
	var fs []Field
	f.edit(func(all []Field) { fs = all })
	return fs
}

// EditFFNFields returns the FFN after change has changed its fields.
func EditFFNFields(f FFN, change func([]Field)) FFN { return f.edit(change) }

// Vary changes the number with a given key in each part of a mixer that has one. It returns the
// changed mixer, and whether any part has such a number.
func Vary(m Mixer, key string, n int) (Mixer, bool) {
	found := false
	m = mapParts(m, func(p Mixer) Mixer {
		return p.edit(func(fields []Field) {
			for _, f := range fields {
				if f.Key == key && f.Vary != nil {
					f.Vary(n)
					found = true
				}
			}
		})
	})
	return m, found
}

func always(v any) func(int) any { return func(int) any { return v } }

// flag makes a field that is off unless a file says otherwise.
func flag(key string, p *bool, doc string) Field {
	return Field{Key: key, Value: p, Default: always(false), Doc: doc}
}

// ownNormField makes the field of the norm that OwnNorm describes.
func ownNormField(noNorm *bool) Field {
	return Field{Key: "norm", Value: noNorm, Not: true, Default: always(false), Doc: "norm behind the scan's gate"}
}
