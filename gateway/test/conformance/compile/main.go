// Compiles OPA's own test cases to WebAssembly, planned as OPA's WASM tests plan them (internal/wasm/sdk/test/e2e in OPA's sources).
//
// Usage: go run . <directory of cases>
//
// Standard output is a sequence of cases: the length of a JSON document (4 bytes, little endian), the document, the length of the
// module (0 where the case doesn't compile), the module.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/types"
)

type compiledCase struct {
	File         string `json:"file"`
	Note         string `json:"note"`
	Data         string `json:"data,omitempty"`       // JSON
	Input        string `json:"input,omitempty"`      // a Rego term
	WantResult   string `json:"wantResult,omitempty"` // JSON
	WantError    string `json:"wantError,omitempty"`
	SortBindings bool   `json:"sortBindings"`
	StrictError  bool   `json:"strictError"`
	CompileError string `json:"compileError,omitempty"`
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string) error {
	// One case calls it; it only has to be declared for the case to compile.
	ast.RegisterBuiltin(&ast.Builtin{Name: "test.sleep", Decl: types.NewFunction(types.Args(types.S), types.NewNull())})
	set, err := cases.Load(dir)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for _, tc := range set.Sorted().Cases {
		file, err := filepath.Rel(dir, tc.Filename)
		if err != nil {
			return err
		}
		compiled := compiledCase{File: filepath.ToSlash(file), Note: tc.Note, SortBindings: tc.SortBindings, StrictError: tc.StrictError}
		if compiled.Input, err = inputTerm(tc); err != nil {
			return fmt.Errorf("%s: %w", tc.Note, err)
		}
		if tc.Data != nil {
			compiled.Data = text(*tc.Data)
		}
		if tc.WantResult != nil {
			compiled.WantResult = text(*tc.WantResult)
		}
		if tc.WantErrorCode != nil {
			compiled.WantError = *tc.WantErrorCode
		} else if tc.WantError != nil {
			compiled.WantError = *tc.WantError
		}
		module, err := compile(tc)
		if err != nil {
			compiled.CompileError = err.Error()
		}
		document, err := json.Marshal(compiled)
		if err != nil {
			return err
		}
		for _, part := range [][]byte{document, module} {
			if err := binary.Write(out, binary.LittleEndian, uint32(len(part))); err != nil {
				return err
			}
			if _, err := out.Write(part); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

func text(value any) string {
	document, err := json.Marshal(value)
	if err != nil {
		panic(err) // it was read from YAML
	}
	return string(document)
}

func inputTerm(tc cases.TestCase) (string, error) {
	if tc.InputTerm != nil {
		term, err := ast.ParseTerm(*tc.InputTerm)
		if err != nil {
			return "", err
		}
		return term.String(), nil
	}
	if tc.Input != nil {
		value, err := ast.InterfaceToValue(*tc.Input)
		if err != nil {
			return "", err
		}
		return value.String(), nil
	}
	return "", nil
}

func compile(tc cases.TestCase) ([]byte, error) {
	options := []func(*rego.Rego){
		rego.Query(tc.Query),
		rego.SetRegoVersion(ast.RegoV1),
		rego.Capabilities(ast.CapabilitiesForThisVersion(ast.CapabilitiesExperimentalKeywords(tc.ExperimentalKeywords))),
	}
	for i, module := range tc.Modules {
		options = append(options, rego.Module(fmt.Sprintf("module-%d.rego", i), module))
	}
	result, err := rego.New(options...).Compile(context.Background())
	if err != nil {
		return nil, err
	}
	return result.Bytes, nil
}
