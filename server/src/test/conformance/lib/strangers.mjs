// Requests of strangers: every kind of schema, pattern, grammar, list and body that once cost a server more than its sender, each
// time with other constants. A kind makes {path, body} or, for the wire, {bytes}; body is an object or the text of one.
export function attacks(random) {
  const upTo = n => 1 + Math.floor(random() * n),
    from = (a, b) => a + Math.floor(random() * (b - a + 1)),
    pick = a => a[Math.floor(random() * a.length)],
    times = (n, make) => Array.from({ length: n }, (_, i) => make(i)),
    letters = n => times(n, () => "abcdefghijklmnopqrstuvwxyz"[Math.floor(random() * 26)]).join(""),
    spelled = name => [...name].map(c => (random() < 0.5 ? c.toUpperCase() : c.toLowerCase())).join("");
  const completion = fields => ({ path: "/v1/completions", body: { prompt: letters(3), max_tokens: from(1, 24), temperature: 1, ...fields } });
  const chat = fields => ({
    path: "/v1/chat/completions",
    body: { messages: [{ role: "user", content: letters(4) }], max_tokens: from(1, 24), temperature: 1, ...fields },
  });
  const schema = s =>
    random() < 0.5 ? completion({ guided_json: s }) : chat({ response_format: { type: "json_schema", json_schema: { name: "x", schema: s } } });
  const regex = guided_regex => completion({ guided_regex });
  const grammar = g => completion(random() < 0.5 ? { guided_grammar: g } : { grammar: g });
  const raw = (path, body) => ({ path, body });
  const object = properties => ({ type: "object", properties, required: Object.keys(properties), additionalProperties: false });

  return {
    // Unions, of which each part was compared with each
    "union-first": () => grammar(`root ::= ${times(from(50, 300), () => `[${letters(20)}]* "${upTo(9)}"`).join(" | ")}`),
    "union-in-a-step": () => grammar(`root ::= "x" (${times(from(50, 150), () => `[${letters(20)}]* "${upTo(9)}"`).join(" | ")})`),
    "union-of-patterns": () => regex(`(${times(from(40, 110), () => `[${letters(14)}]*${upTo(9)}`).join("|")})`),
    // JSON: long names around many lists, empty objects, deep values
    "json-names": () => {
      const l = pick([4000, 9000, 49000]),
        n = pick([3000, 33333]);
      return raw(
        "/v1/completions",
        `{"prompt":"x","max_tokens":1,"j":${`{"${letters(8)}${"n".repeat(l)}":`.repeat(60)}[${"[],".repeat(n)}[]]${"}".repeat(60)}}`,
      );
    },
    "json-empty": () => raw("/v1/completions", `{"prompt":"x","max_tokens":1,"j":[${pick(["{},", "[],", '{"a":0},', "[0],", '"a",']).repeat(from(1e5, 1e6))}0]}`),
    "json-deep": () => raw("/v1/completions", `{"prompt":${"[".repeat(from(90, 50000))}`),
    "json-numbers": () => raw("/v1/completions", `{"prompt":"a","seed":${"9".repeat(from(10, 100000))}}`),
    // Lists that were kept
    "choice-100000": () => {
      const some = letters(6);
      return completion({ structured_outputs: { choice: times(from(50000, 100000), i => `${some}${i}${"x".repeat(20)}`) } });
    },
    "enum-large": () => {
      const some = letters(6);
      return schema({ enum: times(from(20000, 60000), i => some + i) });
    },
    // The queue
    "many-choices": () => completion({ n: pick([70, 100, 128]), max_tokens: from(100, 240), ignore_eos: true }),
    "many-prompts": () => completion({ prompt: times(256, () => letters(9)), max_tokens: from(1, 40), ignore_eos: true }),
    "long-prompt": () => completion({ prompt: letters(from(50, 600)), max_tokens: 200, ignore_eos: true, logprobs: 5, echo: true }),
    // Named classes, surrogates, counts
    "class-names": () => regex(times(240, () => `\\p{sc=${spelled(pick(["devanagari", "latin", "greek", "cyrillic", "han"]))}}`).join("")),
    "class-large": () => regex(`[${times(from(500, 2000), () => String.fromCodePoint(from(0x4e00, 0x9fff))).join("")}]+`),
    surrogates: () => regex(`\\ud${pick(["bff", "800", "900"])}${pick(["\\uffff", "\\u0041", "a", ""])}${letters(3)}`),
    "unique-long": () => schema({ type: "array", uniqueItems: true, items: { type: "string", minLength: from(1001, 3000) } }),
    "unique-pattern": () => schema({ type: "array", uniqueItems: true, items: { type: "string", pattern: `^[${letters(2)}]{${from(1100, 2000)}}$` } }),
    "max-properties": () => schema({ type: "object", maxProperties: from(190000, 199990) }),
    "min-properties": () => schema({ type: "object", minProperties: from(1000, 199990), additionalProperties: { type: "boolean" } }),
    quantifiers: () => regex(`${letters(1)}{${pick(["10000000000", "0000000000002", String(from(1e5, 1e9)), `2,${from(1e6, 1e10)}`])}}`),
    "counters-nested": () => regex(`((${letters(2)}{1,${from(10, 99)}}){1,${from(10, 99)}}){1,${from(10, 99)}}`),
    "min-items": () => schema({ type: "array", items: { type: "boolean" }, minItems: from(1e6, 1e9) }),
    "text-length": () => schema(object({ [letters(3)]: { type: "string", minLength: from(1e5, 1e9) } })),
    // Constraints that take long to compile
    "states-many": () => regex(`[a-z]*[${letters(5)}][a-z]{${from(15, 400)}}`),
    "properties-patterns": () =>
      schema(object(Object.fromEntries(times(from(20, 200), i => [letters(3) + i, { type: "string", pattern: `^[a-z]*[${letters(4)}][a-z]{${from(2, 9)}}$` }])))),
    "properties-required": () => schema(object(Object.fromEntries(times(from(1500, 10000), i => [letters(2) + i, { type: "boolean" }])))),
    "properties-optional": () => schema({ type: "object", properties: Object.fromEntries(times(from(500, 3000), i => [letters(2) + i, { type: "boolean" }])) }),
    "one-of": () => schema({ oneOf: times(from(500, 20000), i => ({ const: letters(3) + i })) }),
    "all-of-any-of": () => schema({ allOf: times(from(10, 99), () => ({ anyOf: times(from(2, 20), () => object({ [letters(2)]: { type: "integer" } })) })) }),
    references: () => {
      const n = from(50, 2000),
        name = letters(3);
      return schema({ $defs: Object.fromEntries(times(n, i => [name + i, { anyOf: [{ $ref: `#/$defs/${name}${(i + 1) % n}` }, { type: "null" }] }])), $ref: `#/$defs/${name}0` });
    },
    "schema-deep": () => times(from(50, 2000), i => i).reduce(s => ({ type: "array", items: s, minItems: 1, maxItems: 1 }), { type: "boolean" }),
    // Ambiguous and deep grammars
    ambiguous: () => {
      const [a, b] = [pick("+-&"), pick("*/|")];
      return grammar(`root ::= expr\nexpr ::= expr "${a}" expr | expr "${b}" expr | "(" expr ")" | [0-${upTo(9)}]+`);
    },
    "ambiguous-right": () => grammar(`root ::= a*\na ::= "${letters(1)}" a | "${letters(1)}"? b | [a-${pick("mnopq")}]\nb ::= a a | "${letters(2)}"?`),
    "optional-many": () => regex(`${letters(1)}?`.repeat(from(800, 2000))),
    "optional-grammar": () => grammar(`root ::= ${`"${letters(1)}"? `.repeat(from(1000, 5000))}`),
    "parentheses-deep": () => regex("(".repeat(from(90, 1900)) + letters(1) + ")".repeat(1900)),
    // Tools and conversations
    "tools-many": () =>
      chat({
        tools: times(from(16, 512), i => ({
          type: "function",
          function: { name: letters(3) + i, parameters: object(Object.fromEntries(times(from(1, 20), k => [`p${k}`, { type: "string", pattern: `^[${letters(4)}]{1,${from(2, 30)}}$` }]))) },
        })),
        tool_choice: pick(["required", "auto", "none"]),
      }),
    "messages-many": () => chat({ messages: times(from(100, 4096), () => ({ role: "user", content: letters(8) })) }),
    "kwargs-large": () => chat({ chat_template_kwargs: { [letters(4)]: times(from(1e4, 3e5), () => 0) } }),
    "tokenize-large": () => raw("/tokenize", { content: letters(64).repeat(from(1000, 16384)) }),
    "detokenize-large": () => raw("/detokenize", { tokens: times(from(1e5, 1e6), () => 5) }),
    biases: () => completion({ logit_bias: Object.fromEntries(times(from(500, 5000), i => [i, from(-100, 100)])), stop: times(from(1, 64), () => letters(9)) }),
    // The wire
    "chunks-lf": host => wire(host, "HTTP/1.1", "Transfer-Encoding: chunked\r\n", b => `${b.length.toString(16)}\n${b}\n0\n\n`),
    "chunks-folded": host => wire(host, "HTTP/1.1", "Transfer-Encoding:\r\n chunked\r\n", b => `${b.length.toString(16)}\r\n${b}\r\n0\r\n\r\n`),
    "chunks-old": host => wire(host, "HTTP/1.0", "Transfer-Encoding: chunked\r\n", b => `${b.length.toString(16)}\r\n${b}\r\n0\r\n\r\n`),
    "version-unknown": host => wire(host, `HTTP/${upTo(9)}.9`, "Content-Length: 30\r\n", b => b.padEnd(30)),
    "expect-unknown": host => wire(host, "HTTP/1.1", `Expect: ${from(200, 299)}-ok\r\nContent-Length: 30\r\n`, b => b.padEnd(30)),
    "body-unfinished": host => wire(host, "HTTP/1.1", `Content-Length: ${from(1000, 8e6)}\r\n`, b => b),
  };

  function wire(host, version, fields, body) {
    return { bytes: key => `POST /tokenize ${version}\r\nHost: ${host}\r\n${key}${fields}\r\n${body(`{"content":"${letters(4)}"}`)}` };
  }
}
