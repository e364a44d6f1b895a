package arch

// Field is one number, flag or choice of a mixer or FFN, under the name it has in model
// files. Each mixer lists its fields once; reading and writing files, changing a field
// by name and comparing follow from the list.
type Field struct {
	Key string
	Doc string // one line
	// Value points into the mixer: *int (a size), *bool, *float64, *Activation or
	// *MemoryKind.
	Value any
	// Default is the value where a file leaves the field out, of the type that Value
	// points to, or an error that says why there is none; nil where the file must give
	// it. It may look at the mixer's other fields: those a file gives are set before,
	// and so are the defaults of those listed before it.
	Default func(width int) any

	Not       bool   // the file says the opposite of a *bool
	AllowZero bool   // 0 may be written for a *int
	Zero      string // why 0 may not be written, after "KEY 0"; "" for the usual reason
	Shown     bool   // files name it even where it has its default
	InputOnly bool   // a file may give it, to set another field's default or to be checked; it is never written
	Instead   string // key of the field that may not be given beside this one

	// Vary sets the value in all layers of a model at once, with what follows from it;
	// nil where the mixer has no such number or does not use it.
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

// EditFields returns the mixer as change leaves it.
func EditFields(m Mixer, change func([]Field)) Mixer { return m.edit(change) }

// FFNFields lists the fields of a copy of an FFN.
func FFNFields(f FFN) []Field {
	var fs []Field
	f.edit(func(all []Field) { fs = all })
	return fs
}

// EditFFNFields returns the FFN as change leaves it.
func EditFFNFields(f FFN, change func([]Field)) FFN { return f.edit(change) }

// Vary returns the mixer with the number of a name changed, in each part that has one,
// and whether any has.
func Vary(m Mixer, key string, n int) (Mixer, bool) {
	found := false
	m = MapParts(m, func(p Mixer) Mixer {
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

// flag is a field that is off unless a file says otherwise.
func flag(key string, p *bool, doc string) Field {
	return Field{Key: key, Value: p, Default: always(false), Doc: doc}
}

// ownNormField is the field of the norm that OwnNorm tells of.
func ownNormField(noNorm *bool) Field {
	return Field{Key: "norm", Value: noNorm, Not: true, Default: always(false), Doc: "norm behind the scan's gate"}
}
