import { UnsupportedModule } from '../evaluation-error.ts';
import { fuelExport } from '../opa-instance.ts';
import { bulkOp, op, skipImmediates } from './opcodes.ts';
import { s32, u32, WasmReader, WasmWriter } from './wasm-bytes.ts';

/** What work costs, in units of fuel. A function entry or a turn of a loop is 1. */
const cost = { step: 1, hostCall: 1_000, memoryPage: 5_000 } as const;
/** Bulk operations cost a unit per 16 bytes. */
const bulkShift = 4;
/** What a module may spend before the host first says otherwise: its start function runs while it is instantiated. */
const initialFuel = 100_000_000;

const section = { custom: 0, type: 1, import: 2, function: 3, memory: 5, global: 6, export: 7, element: 9, code: 10, dataCount: 12 } as const;
/** The order in which a module has its sections. */
const sectionOrder = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11];

/** What the sections before the code say about functions and globals. */
type Shape = { types: number[]; importedFunctions: number; functionTypes: number[]; globals: number };

/**
 * Rewrites a module so that its work is bounded: it exports a mutable i32 global `toolgate_fuel`, spends it by 1 at each function entry and
 * loop head, by 1,000 per call of the host, by 5,000 per page of new memory and by a unit per 16 bytes of a bulk operation, and
 * traps (`unreachable`) as soon as it is negative. Functions, globals and types keep their numbers, and results stay the same.
 *
 * What the module can't do without passing one of these points is a stretch of straight code, so fuel bounds its time. It doesn't see time
 * spent in the host.
 * @throws {UnsupportedModule} not a valid module, or one with parts that would escape the count; names the part
 */
export function meter(wasm: Uint8Array): Uint8Array {
  if (!WebAssembly.validate(wasm)) throw new UnsupportedModule('not a valid WebAssembly module');
  const { sections, custom } = readSections(wasm);
  const shape = readShape(sections);
  requireNoHostInTables(sections.get(section.element), shape);

  const out = new WasmWriter(2 * wasm.length);
  out.raw(wasm.subarray(0, 8));
  for (const id of sectionOrder) {
    const content = rewritten(id, sections.get(id), shape);
    if (content !== undefined) writeSection(out, id, content);
  }
  // Custom sections may stand anywhere. One of them names the functions, which tells whose rule ran out of fuel.
  for (const content of custom) writeSection(out, section.custom, content);
  return out.written;
}

function rewritten(id: number, content: WasmReader | undefined, shape: Shape): Uint8Array | undefined {
  if (id === section.global) return appended(content, [0x7f, 0x01, op.i32Const, ...s32(initialFuel), op.end]);
  if (id === section.export) return appended(content, [...nameBytes(fuelExport), 0x03, ...u32(shape.globals)]);
  if (content === undefined) return undefined;
  return id === section.code ? meteredCode(content, shape) : content.bytes.subarray(content.at, content.end);
}

function readSections(wasm: Uint8Array): { sections: Map<number, WasmReader>; custom: Uint8Array[] } {
  const sections = new Map<number, WasmReader>();
  const custom: Uint8Array[] = [];
  const reader = new WasmReader(wasm, 8);
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const content = reader.part(reader.u32());
    if (id === section.custom) custom.push(wasm.subarray(content.at, content.end));
    else if (sectionOrder.includes(id)) sections.set(id, content);
    else throw new UnsupportedModule(`can't be metered: section ${id}`);
  }
  return { sections, custom };
}

/** Reads each section with a reader of its own, so that all of them can be copied afterwards. */
function fresh(sections: Map<number, WasmReader>, id: number): WasmReader {
  const { bytes, at, end } = sections.get(id) ?? new WasmReader(new Uint8Array([0]));
  return new WasmReader(bytes, at, end);
}

function readShape(sections: Map<number, WasmReader>): Shape {
  const shape: Shape = { types: [], importedFunctions: 0, functionTypes: [], globals: 0 };
  const types = fresh(sections, section.type);
  for (let n = types.u32(); n > 0; n--) {
    if (types.byte() !== 0x60) throw new UnsupportedModule("can't be metered: a type that is not a function's");
    const params = types.u32();
    types.skip(params);
    types.skip(types.u32());
    shape.types.push(params);
  }
  const imports = fresh(sections, section.import);
  for (let n = imports.u32(); n > 0; n--) readImport(imports, shape);
  const functions = fresh(sections, section.function);
  for (let n = functions.u32(); n > 0; n--) shape.functionTypes.push(functions.u32());
  if (fresh(sections, section.memory).u32() > 0) throw new UnsupportedModule('brings its own memory, which the host could not limit');
  shape.globals += fresh(sections, section.global).u32();
  const exports = fresh(sections, section.export);
  for (let n = exports.u32(); n > 0; n--) {
    if (exports.name() === fuelExport) throw new UnsupportedModule(`already exports ${fuelExport}`);
    exports.skip(1);
    exports.skipNumber();
  }
  return shape;
}

function readImport(imports: WasmReader, shape: Shape): void {
  const name = `${imports.name()}.${imports.name()}`;
  switch (imports.byte()) {
    case 0: // function
      imports.skipNumber();
      shape.importedFunctions++;
      return;
    case 2: {
      // memory: bit 0 has a maximum, bit 1 is shared, bit 2 has 64-bit addresses
      const limits = imports.byte();
      if (limits > 1) throw new UnsupportedModule(`can't be metered: ${name} is a shared or 64-bit memory`);
      imports.skipNumber();
      if (limits === 1) imports.skipNumber();
      return;
    }
    case 3: // global: its type, and whether it is mutable
      imports.skip(2);
      shape.globals++;
      return;
    default:
      throw new UnsupportedModule(`can't be metered: it imports ${name}`);
  }
}

/** A call through a table doesn't show whom it calls; the host's functions may only be called by name. */
function requireNoHostInTables(content: WasmReader | undefined, shape: Shape): void {
  if (content === undefined) return;
  const reader = new WasmReader(content.bytes, content.at, content.end);
  for (let n = reader.u32(); n > 0; n--) {
    if (reader.u32() !== 0) throw new UnsupportedModule("can't be metered: an element segment that is not a plain list of functions");
    for (let opcode = reader.byte(); opcode !== op.end; opcode = reader.byte()) skipImmediates(opcode, reader);
    for (let functions = reader.u32(); functions > 0; functions--) {
      if (reader.u32() < shape.importedFunctions) throw new UnsupportedModule("can't be metered: a host function in a table");
    }
  }
}

function meteredCode(content: WasmReader, shape: Shape): Uint8Array {
  const reader = new WasmReader(content.bytes, content.at, content.end);
  const out = new WasmWriter(2 * (content.end - content.at));
  const code = new WasmWriter(4096);
  const count = reader.u32();
  out.u32(count);
  for (let i = 0; i < count; i++) {
    const body = reader.part(reader.u32());
    const params = shape.types[shape.functionTypes[i] ?? -1] ?? 0;
    const locals = readLocals(body);
    const scratch = params + locals.count;
    code.clear();
    const usesScratch = meterBody(body, code, scratch, shape);
    // Appended, so that no local changes its number.
    const groups = usesScratch ? [...u32(locals.groups + 1)] : [...u32(locals.groups)];
    const scratchGroup = usesScratch ? [0x01, 0x7f] : [];
    out.u32(groups.length + locals.bytes.length + scratchGroup.length + code.length);
    out.raw(groups);
    out.raw(locals.bytes);
    out.raw(scratchGroup);
    out.raw(code.written);
  }
  return out.written;
}

function readLocals(body: WasmReader): { groups: number; count: number; bytes: Uint8Array } {
  const groups = body.u32();
  const start = body.at;
  let count = 0;
  for (let i = 0; i < groups; i++) {
    count += body.u32();
    body.skip(1);
  }
  return { groups, count, bytes: body.bytes.subarray(start, body.at) };
}

/** Copies a function's code and puts in what it costs. Returns whether it needed the scratch local. */
function meterBody(body: WasmReader, code: WasmWriter, scratch: number, shape: Shape): boolean {
  const fuel = u32(shape.globals);
  const spend = (cost: number[]): number[] => [
    ...[op.globalGet, ...fuel, ...cost, op.i32Sub, op.globalSet, ...fuel],
    ...[op.globalGet, ...fuel, op.i32Const, 0, op.i32LtS, op.if, 0x40, op.unreachable, op.end],
  ];
  const step = spend([op.i32Const, cost.step]);
  const hostCall = spend([op.i32Const, ...s32(cost.hostCall)]);
  const local = u32(scratch);
  const bulk = [op.localSet, ...local, ...spend([op.localGet, ...local, op.i32Const, bulkShift, op.i32ShrU]), op.localGet, ...local];
  // At most 65,536 pages exist; the limit keeps the product within 32 bits, and asking for more fails anyway.
  const atMostAll = [...[op.localGet, ...local], ...[op.i32Const, ...s32(65_536)], ...[op.localGet, ...local], ...[op.i32Const, ...s32(65_536)]];
  const pages = [...atMostAll, op.i32LtU, op.select, op.i32Const, ...s32(cost.memoryPage), op.i32Mul];
  const grow = [op.localSet, ...local, ...spend(pages), op.localGet, ...local];

  let usesScratch = false;
  /** Where what has not been copied yet begins. */
  let from = body.at;
  const insert = (instructions: number[], at: number): void => {
    code.raw(body.bytes.subarray(from, at));
    code.raw(instructions);
    from = at;
  };

  code.raw(step);
  while (!body.isAtEnd) {
    const start = body.at;
    const opcode = body.byte();
    const operand = body.at;
    skipImmediates(opcode, body);
    if (opcode === op.loop) {
      insert(step, body.at);
    } else if (opcode === op.call) {
      if (new WasmReader(body.bytes, operand).u32() < shape.importedFunctions) insert(hostCall, start);
    } else if (opcode === op.memoryGrow) {
      insert(grow, start);
      usesScratch = true;
    } else if (opcode === op.bulk && isSized(new WasmReader(body.bytes, operand).u32())) {
      insert(bulk, start);
      usesScratch = true;
    }
  }
  insert([], body.end);
  return usesScratch;
}

function isSized(sub: number): boolean {
  return sub === bulkOp.memoryInit || sub === bulkOp.memoryCopy || sub === bulkOp.memoryFill;
}

/** A section that is a list, with one more item at its end. */
function appended(content: WasmReader | undefined, item: number[]): Uint8Array {
  const reader = content === undefined ? new WasmReader(new Uint8Array([0])) : new WasmReader(content.bytes, content.at, content.end);
  const out = new WasmWriter(reader.end - reader.at + item.length + 8);
  out.u32(reader.u32() + 1);
  out.raw(reader.bytes.subarray(reader.at, reader.end));
  out.raw(item);
  return out.written;
}

function writeSection(out: WasmWriter, id: number, content: Uint8Array): void {
  out.byte(id);
  out.u32(content.length);
  out.raw(content);
}

function nameBytes(name: string): number[] {
  const bytes = new TextEncoder().encode(name);
  return [...u32(bytes.length), ...bytes];
}
