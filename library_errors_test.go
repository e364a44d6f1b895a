package ridgeline_test

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Errors of packages are read by programs too: they name fields and values, never flags of a command
// line. What runs commands, or serves a page that is a command line in other clothes, may.
func TestErrorsOfPackagesHaveNoFlags(t *testing.T) {
	flag := regexp.MustCompile(`(^|[^\w-])--[a-z%]`)
	makers := map[string]bool{"Errorf": true, "New": true, "refuse": true, "fail": true, "at": true}
	sourceFiles(t, func(path string, set *token.FileSet, f *ast.File) {
		room := filepath.ToSlash(filepath.Dir(path))
		if f.Name.Name == "main" || strings.HasPrefix(room, "cmd/") || room == "explore" {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			if !ok || len(c.Args) == 0 {
				return true
			}
			name := ""
			switch fun := c.Fun.(type) {
			case *ast.SelectorExpr:
				name = fun.Sel.Name
			case *ast.Ident:
				name = fun.Name
			}
			if l, ok := c.Args[0].(*ast.BasicLit); ok && l.Kind == token.STRING && makers[name] && flag.MatchString(strings.Trim(l.Value, "`\"")) {
				t.Errorf("%s: an error has a flag in it: %s", set.Position(l.Pos()), l.Value)
			}
			return true
		})
	})
}
