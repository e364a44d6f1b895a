package ridgeline_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// sourceFiles parses every file of the module's packages that is no test and passes it on.
func sourceFiles(t *testing.T, visit func(path string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name := d.Name(); path != "." && strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		visit(path, set, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a mixer or a network is, is asked through the methods of arch.Mixer and arch.FFN. A switch
// over their types, or over the names of their kinds, would have to be found again for every kind
// that is added; outside the rooms that read and write models none may stand.
func TestNobodySwitchesOverMixers(t *testing.T) {
	types, names := map[string]bool{"Parallel": true}, map[string]bool{"swa": true, "full": true, "cross": true, "chunked": true}
	for _, k := range arch.MixerKinds() {
		types[reflect.TypeOf(k.Blank).Name()], names[k.Name], names[k.Blank.Name()] = true, true, true
	}
	for _, k := range arch.FFNKinds() {
		types[reflect.TypeOf(k.Blank).Name()], names[k.Name] = true, true
	}
	isKind := func(e ast.Expr) bool {
		s, ok := e.(*ast.SelectorExpr)
		if !ok || !types[s.Sel.Name] {
			return false
		}
		x, ok := s.X.(*ast.Ident)
		return ok && x.Name == "arch"
	}
	asksKind := func(e ast.Expr) bool {
		c, ok := e.(*ast.CallExpr)
		if !ok || len(c.Args) > 0 {
			return false
		}
		s, ok := c.Fun.(*ast.SelectorExpr)
		return ok && (s.Sel.Name == "Kind" || s.Sel.Name == "Name" || s.Sel.Name == "MixerName" || s.Sel.Name == "FFNName")
	}
	isName := func(e ast.Expr) bool {
		l, ok := e.(*ast.BasicLit)
		return ok && l.Kind == token.STRING && names[strings.Trim(l.Value, "`\"")]
	}
	seen := 0
	sourceFiles(t, func(path string, set *token.FileSet, f *ast.File) {
		seen++
		room := filepath.ToSlash(filepath.Dir(path))
		inArch := room == "arch" || strings.HasPrefix(room, "arch/") // there models are built and read
		ast.Inspect(f, func(n ast.Node) bool {
			bad := ""
			switch n := n.(type) {
			case *ast.TypeAssertExpr:
				if n.Type != nil && isKind(n.Type) && !inArch {
					bad = "asserts the type of a mixer or network"
				}
			case *ast.TypeSwitchStmt:
				for _, c := range n.Body.List {
					for _, e := range c.(*ast.CaseClause).List {
						if isKind(e) {
							bad = "switches over the types of mixers or networks"
						}
					}
				}
			case *ast.SwitchStmt:
				for _, c := range n.Body.List {
					for _, e := range c.(*ast.CaseClause).List {
						if n.Tag != nil && asksKind(n.Tag) && isName(e) {
							bad = "switches over the kinds of mixers or networks"
						}
					}
				}
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (asksKind(n.X) && isName(n.Y) || asksKind(n.Y) && isName(n.X)) {
					bad = "compares the kind of a mixer or network"
				}
			}
			if bad != "" {
				t.Errorf("%s: %s; ask arch.Mixer or arch.FFN, which say what others need to know", set.Position(n.Pos()), bad)
			}
			return true
		})
	})
	if seen < 300 {
		t.Errorf("only %d files were looked at", seen)
	}
}
