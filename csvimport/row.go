package csvimport

import "slices"

// A Row is one record. It stays valid after the next [Reader.Read], and is safe for
// several goroutines. Number is what a spreadsheet shows beside it: the first line of the
// file is 1, and each record adds 1, whatever number of lines it spans.
type Row struct {
	Number  int
	text    string  // of all cells
	ends    []int32 // where in text each cell ends
	columns *columns
}

// Cell returns the text in the column with exactly that name. It returns "" when it is
// empty, or there is no such column.
func (r Row) Cell(column string) string {
	if r.columns == nil {
		return ""
	}
	i, ok := r.columns.index[column]
	if !ok {
		return ""
	}
	return r.cell(i)
}

func (r Row) cell(i int) string {
	start := int32(0)
	if i > 0 {
		start = r.ends[i-1]
	}
	return r.text[start:r.ends[i]]
}

// Document returns the row's filled cells as s says, without the columns in except.
// Columns with dots in their names make objects. Numbers are float64, arrays []any,
// objects map[string]any. It returns a [*RowError] that names every wrong column, or three
// of them and how many there are more.
//
// How s reads a header is kept as long as one of the rows, so one s should serve all rows.
func (r Row) Document(s *Schema, except ...string) (map[string]any, error) {
	if r.columns == nil {
		return map[string]any{}, nil
	}
	doc := make(map[string]any, r.filled())
	var wrong problems
	for i, f := range r.columns.fieldsOf(s) {
		cell := r.cell(i)
		if cell == "" || slices.Contains(except, r.columns.names[i]) {
			continue
		}
		if problem := f.put(doc, cell); problem != "" {
			wrong.add(r.columns.label(i) + problem)
		}
	}
	if len(wrong.found) > 0 {
		return nil, &RowError{r.Number, wrong.String()}
	}
	return doc, nil
}

// filled returns how many cells have text.
func (r Row) filled() int {
	n, start := 0, int32(0)
	for _, end := range r.ends {
		if end > start {
			n++
		}
		start = end
	}
	return n
}

// A field is where a column's cells go in a document, and how they are read.
type field struct {
	path []string
	read converter // nil when the schema does not declare the column
}

// fieldsOf returns the columns' fields in s. They are found once.
func (c *columns) fieldsOf(s *Schema) []field {
	if known, ok := c.fields.Load(s); ok {
		return known.([]field)
	}
	fields, _ := c.fields.LoadOrStore(s, s.fields(c.names))
	return fields.([]field)
}

// put reads the cell and puts its value into doc, or returns what is wrong with it.
func (f field) put(doc map[string]any, cell string) string {
	if f.read == nil {
		return " is not declared by the schema"
	}
	value, wrong := f.read(cell)
	if wrong != "" {
		return ": " + wrong
	}
	last := len(f.path) - 1
	for _, name := range f.path[:last] {
		below, ok := doc[name].(map[string]any)
		if !ok {
			if doc[name] != nil {
				return ": another column fills a part of its name"
			}
			below = make(map[string]any)
			doc[name] = below
		}
		doc = below
	}
	if _, taken := doc[f.path[last]]; taken {
		return ": another column fills a field below it"
	}
	doc[f.path[last]] = value
	return ""
}
