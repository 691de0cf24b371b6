package dev.causal4j.chat;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.TemplateException;
import dev.causal4j.chat.Lexer.Kind;
import dev.causal4j.chat.Lexer.Token;
import dev.causal4j.chat.Node.Call;
import dev.causal4j.chat.Node.Spread;
import dev.causal4j.chat.Value.Tuple;
import dev.causal4j.chat.Value.Undefined;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/** Makes a template a node to run. For one source; not thread-safe. */
final class Parser {
    // Weakest first; "not" binds as the comparisons do.
    private static final List<String> OPERATORS =
            List.of(" or ", " and ", " == != < <= > >= in not-in ", " + - ", " ~ ", " * / // % ", " ** ");
    private static final int COMPARISON = 2;

    private static final Node NONE = _ -> Values.NONE;
    private static final Map<String, Object> CONSTANTS = Map.of(
            "true", true, "True", true, "false", false, "False", false, "none", Values.NONE, "None", Values.NONE);

    private static final int MAX_DEPTH = 100;

    // Python reads no longer numbers either.
    private static final int MAX_DIGITS = 4300;

    private final String template;
    private final List<Token> tokens;
    private int at;
    private int depth;
    private int loops;

    /** Whether there is a generation block. */
    boolean marksGeneration;

    Parser(String template, String source) {
        this.template = template;
        tokens = Lexer.tokens(template, source);
    }

    Node parse() {
        Node all = block("");
        check(peek().kind() == Kind.END, "the end");
        return all;
    }

    private Token peek() {
        return tokens.get(at);
    }

    private boolean is(String word) {
        return peek().word().equals(word);
    }

    private boolean take(String word) {
        boolean is = is(word);
        at += is ? 1 : 0;
        return is;
    }

    private void require(String word) {
        check(take(word), word);
    }

    private void check(boolean right, String expected) {
        if (!right) {
            throw wrong(expected);
        }
    }

    private String name() {
        check(peek().kind() == Kind.NAME, "a name");
        return tokens.get(at++).text();
    }

    private <T> T nested(Supplier<T> part) {
        check(++depth <= MAX_DEPTH, "at most " + MAX_DEPTH + " levels of blocks and expressions");
        T parsed = part.get();
        depth--;
        return parsed;
    }

    private TemplateException wrong(String expected) {
        String place = template + ", line " + peek().line();
        return new TemplateException(place, expected, quote(peek().text()), "correct the template");
    }

    /** Statements up to the tag of one of these names, of which the opening is taken and the name is next. */
    private Node block(String... ends) {
        List<Node> statements = new ArrayList<>();
        while (peek().kind() != Kind.END) {
            Token token = tokens.get(at++);
            if (token.word().equals("{%") && List.of(ends).contains(peek().word())) {
                break;
            }
            Node node = switch (token.word()) {
                case "{%" -> nested(this::statement);
                case "{{" -> output(closed(tuple(), "}}"));
                default -> output(_ -> token.text());
            };
            statements.add(e -> e.at(token.line(), node));
        }
        return e -> e.runAll(statements);
    }

    /** What was just parsed, if this is behind it. */
    private Node closed(Node parsed, String end) {
        require(end);
        return parsed;
    }

    private Node statement() {
        String tag = name();
        return switch (tag) {
            case "if" -> conditional();
            case "for" -> loop();
            case "set" -> assignment();
            case "macro" -> {
                String name = name();
                Node macro = macro(name, parameters(), body("endmacro"));
                yield e -> e.assign(List.of(name), e.eval(macro));
            }
            case "call" -> call();
            case "filter" -> {
                UnaryOperator<Node> filters = filters();
                yield output(filters.apply(written("endfilter")));
            }
            case "generation" -> {
                marksGeneration = true;
                Node body = body("endgeneration");
                yield e -> e.generation(body);
            }
            case "break", "continue" -> {
                check(loops > 0, "a loop around " + tag);
                yield closed(e -> e.jump = tag, "%}");
            }
            default -> throw wrong("a tag of chat templates before it, not " + tag);
        };
    }

    /** The end of a tag, statements, and the tag that ends them. */
    private Node body(String end) {
        require("%}");
        Node body = block(end);
        require(end);
        return closed(body, "%}");
    }

    private Node conditional() {
        Node condition = closed(tuple(), "%}");
        Node then = block("elif", "else", "endif");
        return conditional(condition, then, take("elif") ? nested(this::conditional) : otherwise("endif"));
    }

    private Node otherwise(String end) {
        if (take("else")) {
            return body(end);
        }
        require(end);
        return closed(NONE, "%}");
    }

    private Node loop() {
        List<String> names = names();
        require("in");
        Node over = nested(() -> binary(0)); // an "if" behind it is the filter's
        Node filter = take("if") ? expression() : null;
        require("%}");
        loops++;
        Node body = block("else", "endfor");
        loops--;
        Node otherwise = otherwise("endfor");
        return e -> e.loop(names, over, filter, body, otherwise);
    }

    private List<String> names() {
        List<String> names = new ArrayList<>();
        boolean bracket = take("(");
        do {
            names.add(name());
        } while (take(","));
        check(!bracket || take(")"), ")");
        return names;
    }

    private Node assignment() {
        List<String> names = names();
        String attribute = take(".") ? name() : "";
        if (!take("=")) {
            UnaryOperator<Node> filters = take("|") ? filters() : node -> node;
            Node written = filters.apply(written("endset"));
            return e -> e.assign(names, e.eval(written));
        }
        Node value = closed(tuple(), "%}");
        return attribute.isEmpty()
                ? e -> e.assign(names, e.eval(value))
                : e -> e.assign(names.getFirst(), attribute, value);
    }

    private Node call() {
        Map<String, Node> parameters = is("(") ? parameters() : Map.of();
        if (!(expression() instanceof Call call)) {
            throw wrong("a call before it");
        }
        call.named().put("caller", macro("caller", parameters, body("endcall")));
        return output(call);
    }

    /** Names and defaults, in order. */
    private Map<String, Node> parameters() {
        Map<String, Node> parameters = new LinkedHashMap<>();
        require("(");
        separated(")", () -> {
            String name = name();
            parameters.put(name, take("=") ? expression() : _ -> new Undefined(name));
        });
        return parameters;
    }

    /** An expression, or several with commas between them, which make a tuple. */
    private Node tuple() {
        Node first = expression();
        if (!is(",")) {
            return first;
        }
        List<Node> items = new ArrayList<>(List.of(first));
        while (take(",") && !is(")") && !is("}}") && !is("%}")) {
            items.add(expression());
        }
        return e -> e.x.made(new Tuple(e.all(items)));
    }

    private Node expression() {
        return nested(() -> {
            Node then = binary(0);
            if (!take("if")) {
                return then;
            }
            Node condition = binary(0);
            Node missing = _ -> new Undefined("value of a condition without else");
            return conditional(condition, then, take("else") ? expression() : missing);
        });
    }

    private Node binary(int level) {
        if (level == OPERATORS.size()) {
            return unary(true);
        }
        if (level == COMPARISON && take("not")) {
            Node operand = nested(() -> binary(level));
            return e -> !Values.truth(e.eval(operand));
        }
        Node all = binary(level + 1);
        Node left = all;
        boolean chained = false;
        for (String operator = operator(); OPERATORS.get(level).contains(' ' + operator + ' '); operator = operator()) {
            at += operator.equals("not-in") ? 2 : 1;
            Node right = binary(level + 1);
            if (level < COMPARISON) {
                all = logical(all, level == 0, right);
            } else if (level > COMPARISON) {
                all = applied(all, operator, right);
            } else { // a < b < c is a < b and b < c
                Node compared = applied(left, operator, right);
                all = chained ? logical(all, false, compared) : compared;
                left = right;
                chained = true;
            }
        }
        return all;
    }

    private String operator() {
        return is("not") && tokens.get(at + 1).word().equals("in") ? "not-in" : peek().word();
    }

    private Node unary(boolean filtered) {
        String sign = peek().word();
        boolean signed = take("-") || take("+");
        Node node = signed ? applied(_ -> 0L, sign, nested(() -> unary(false))) : primary();
        while (true) {
            if (take(".")) {
                node = peek().kind() == Kind.WHOLE ? item(node, primary()) : attribute(node, name());
            } else if (take("[")) {
                node = subscript(node);
            } else if (is("(")) {
                node = arguments(node);
            } else if (filtered && take("|")) {
                node = filters().apply(node);
            } else if (filtered && take("is")) {
                node = test(node);
            } else {
                return node;
            }
        }
    }

    private Node primary() {
        Token token = tokens.get(at++);
        List<Node> items = new ArrayList<>();
        List<Node> keys = new ArrayList<>();
        return switch (token.kind() == Kind.SYMBOL ? token.text() : token.kind().name()) {
            case "NAME" -> {
                Object constant = CONSTANTS.get(token.text());
                yield constant == null ? e -> e.variable(token.text()) : _ -> constant;
            }
            case "WHOLE", "REAL" -> number(token.kind(), token.text().replace("_", ""));
            case "STRING" -> {
                StringBuilder text = new StringBuilder(token.text());
                for (; peek().kind() == Kind.STRING; at++) {
                    text.append(peek().text());
                }
                String whole = text.toString();
                yield _ -> whole;
            }
            case "(" -> take(")") ? e -> e.x.made(new Tuple(List.of())) : closed(tuple(), ")");
            case "[" -> {
                separated("]", () -> items.add(expression()));
                yield e -> e.x.made(e.all(items));
            }
            case "{" -> {
                separated("}", () -> {
                    keys.add(closed(expression(), ":"));
                    items.add(expression());
                });
                yield e -> e.dict(keys, items);
            }
            default -> {
                at--;
                throw wrong("an expression");
            }
        };
    }

    private Node number(Kind kind, String digits) {
        check(digits.length() <= MAX_DIGITS, "a number of at most " + MAX_DIGITS + " digits before it");
        Number number = kind == Kind.REAL ? (Number) Double.valueOf(digits) : Numbers.whole(new BigInteger(digits));
        return _ -> number;
    }

    /** Parts with commas between them, perhaps one behind the last, up to the closing bracket. */
    private void separated(String close, Runnable part) {
        while (!take(close)) {
            part.run();
            check(is(close) || take(","), ",");
        }
    }

    private Node subscript(Node of) {
        List<Node> parts = new ArrayList<>();
        boolean slice = false;
        while (!take("]")) {
            parts.add(is(":") ? NONE : expression());
            if (!is("]")) {
                require(":");
                slice = true;
            }
        }
        check(!parts.isEmpty() && parts.size() <= 3, "an index or a slice before it");
        parts.addAll(List.of(NONE, NONE));
        return slice ? e -> e.slice(of, parts) : item(of, parts.getFirst());
    }

    private Call arguments(Node callee) {
        Call call = new Call(callee, new ArrayList<>(), new LinkedHashMap<>());
        require("(");
        separated(")", () -> {
            if (peek().kind() == Kind.NAME && tokens.get(at + 1).word().equals("=")) {
                String name = name();
                require("=");
                call.named().put(name, expression());
            } else {
                call.positional().add(take("*") ? new Spread(expression()) : expression());
            }
        });
        return call;
    }

    /** Filters with bars between them, to be applied one after the other. */
    private UnaryOperator<Node> filters() {
        String name = name();
        Call call = is("(") ? arguments(NONE) : new Call(NONE, List.of(), Map.of());
        UnaryOperator<Node> rest = take("|") ? nested(this::filters) : node -> node;
        return node -> rest.apply(e -> e.x.made(Builtins.filter(name, e.x, e.eval(node), call.arguments(e))));
    }

    private Node test(Node tested) {
        boolean negated = take("not");
        String name = name();
        boolean argument = switch (peek().kind()) {
            case NAME -> !is("else") && !is("or") && !is("and");
            case STRING, WHOLE, REAL -> true;
            default -> is("[") || is("{");
        };
        List<Node> one = argument ? List.of(nested(() -> unary(false))) : List.of();
        Call call = is("(") ? arguments(NONE) : new Call(NONE, one, Map.of());
        return e -> negated != Builtins.test(name, e.x, e.eval(tested), call.arguments(e));
    }

    private static Node output(Node shown) {
        return e -> e.write(e.eval(shown));
    }

    /** What a block writes, as a value. */
    private Node written(String end) {
        Node body = body(end);
        return e -> e.written(body);
    }

    private static Node macro(String name, Map<String, Node> parameters, Node body) {
        return e -> e.function(name, parameters, body);
    }

    private static Node conditional(Node condition, Node then, Node otherwise) {
        return e -> e.eval(Values.truth(e.eval(condition)) ? then : otherwise);
    }

    private static Node logical(Node left, boolean or, Node right) {
        return e -> {
            Object first = e.eval(left);
            return Values.truth(first) == or ? first : e.eval(right);
        };
    }

    private static Node applied(Node left, String operator, Node right) {
        return e -> e.x.made(e.x.apply(operator, e.eval(left), e.eval(right)));
    }

    private static Node item(Node of, Node key) {
        return e -> e.x.item(e.eval(of), e.eval(key));
    }

    private static Node attribute(Node of, String name) {
        return e -> e.x.attribute(e.eval(of), name);
    }
}
