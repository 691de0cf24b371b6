package dev.causal4j.chat;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.TemplateException;
import dev.causal4j.chat.Lexer.Kind;
import dev.causal4j.chat.Lexer.Token;
import dev.causal4j.chat.Node.*;
import dev.causal4j.chat.Value.Undefined;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/** Parses a template. For one source; not thread-safe. */
final class Parser {
    // Weakest first; "not" binds as the comparisons do.
    private static final List<String> OPERATORS =
            List.of(" or ", " and ", " == != < <= > >= in not-in ", " + - ", " ~ ", " * / // % ", " ** ");
    private static final int COMPARISON = 2;

    private static final Node NONE = new Constant(Values.NONE);
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
        List<Placed> statements = new ArrayList<>();
        while (peek().kind() != Kind.END) {
            Token token = tokens.get(at++);
            if (token.word().equals("{%") && List.of(ends).contains(peek().word())) {
                break;
            }
            Node node = switch (token.word()) {
                case "{%" -> nested(this::statement);
                case "{{" -> new Output(closed(tuple(), "}}"));
                default -> new Output(new Constant(token.text()));
            };
            statements.add(new Placed(token.line(), node));
        }
        return new Block(statements);
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
            case "macro" -> new Macro(name(), parameters(), body("endmacro"));
            case "call" -> call();
            case "filter" -> {
                UnaryOperator<Node> filters = filters();
                yield new Output(filters.apply(new Written(body("endfilter"))));
            }
            case "generation" -> {
                marksGeneration = true;
                yield new Generation(body("endgeneration"));
            }
            case "break", "continue" -> {
                check(loops > 0, "a loop around " + tag);
                yield closed(new Jump(tag.equals("break")), "%}");
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
        return new Conditional(condition, then, take("elif") ? nested(this::conditional) : otherwise("endif"));
    }

    private Node otherwise(String end) {
        if (take("else")) {
            return body(end);
        }
        require(end);
        return closed(new Block(List.of()), "%}");
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
        return new For(names, over, filter, body, otherwise("endfor"));
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
            return new Assign(names, filters.apply(new Written(body("endset"))));
        }
        Node value = closed(tuple(), "%}");
        boolean plain = attribute.isEmpty();
        return plain ? new Assign(names, value) : new AssignAttribute(new Name(names.getFirst()), attribute, value);
    }

    private Node call() {
        Map<String, Node> parameters = is("(") ? parameters() : Map.of();
        if (!(expression() instanceof Call call)) {
            throw wrong("a call before it");
        }
        Macro caller = new Macro("caller", parameters, body("endcall"));
        return new Output(new Call(call.callee(), call.positional(), call.named(), caller));
    }

    /** Names and defaults, in order. */
    private Map<String, Node> parameters() {
        Map<String, Node> parameters = new LinkedHashMap<>();
        require("(");
        separated(")", () -> {
            String name = name();
            parameters.put(name, take("=") ? expression() : new Constant(new Undefined(name)));
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
        return new Items(items, true);
    }

    private Node expression() {
        return nested(() -> {
            Node then = binary(0);
            if (!take("if")) {
                return then;
            }
            Node condition = binary(0);
            Node missing = new Constant(new Undefined("value of a condition without else"));
            return new Conditional(condition, then, take("else") ? expression() : missing);
        });
    }

    private Node binary(int level) {
        if (level == OPERATORS.size()) {
            return unary(true);
        }
        if (level == COMPARISON && take("not")) {
            return new Not(nested(() -> binary(level)));
        }
        Node all = binary(level + 1);
        Node left = all;
        boolean chained = false;
        for (String operator = operator(); OPERATORS.get(level).contains(' ' + operator + ' '); operator = operator()) {
            at += operator.equals("not-in") ? 2 : 1;
            Node right = binary(level + 1);
            if (level < COMPARISON) {
                all = new Logical(all, level == 0, right);
            } else if (level > COMPARISON) {
                all = new Binary(all, operator, right);
            } else { // a < b < c is a < b and b < c
                Node compared = new Binary(left, operator, right);
                all = chained ? new Logical(all, false, compared) : compared;
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
        Node node = signed ? new Binary(new Constant(0L), sign, nested(() -> unary(false))) : primary();
        while (true) {
            if (take(".")) {
                node = peek().kind() == Kind.WHOLE ? new Item(node, primary()) : new Attribute(node, name());
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
                yield constant == null ? new Name(token.text()) : new Constant(constant);
            }
            case "WHOLE", "REAL" ->
                new Constant(number(token.kind(), token.text().replace("_", "")));
            case "STRING" -> {
                StringBuilder text = new StringBuilder(token.text());
                for (; peek().kind() == Kind.STRING; at++) {
                    text.append(peek().text());
                }
                yield new Constant(text.toString());
            }
            case "(" -> take(")") ? new Items(List.of(), true) : closed(tuple(), ")");
            case "[" -> {
                separated("]", () -> items.add(expression()));
                yield new Items(items, false);
            }
            case "{" -> {
                separated("}", () -> {
                    keys.add(closed(expression(), ":"));
                    items.add(expression());
                });
                yield new Dict(keys, items);
            }
            default -> {
                at--;
                throw wrong("an expression");
            }
        };
    }

    private Number number(Kind kind, String digits) {
        check(digits.length() <= MAX_DIGITS, "a number of at most " + MAX_DIGITS + " digits before it");
        return kind == Kind.REAL ? (Number) Double.valueOf(digits) : Numbers.whole(new BigInteger(digits));
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
        return slice ? new Slice(of, parts.get(0), parts.get(1), parts.get(2)) : new Item(of, parts.getFirst());
    }

    private Call arguments(Node callee) {
        Call call = new Call(callee, new ArrayList<>(), new LinkedHashMap<>(), null);
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
        Call call = is("(") ? arguments(NONE) : new Call(NONE, List.of(), Map.of(), null);
        UnaryOperator<Node> rest = take("|") ? nested(this::filters) : node -> node;
        return node -> rest.apply(new Filter(node, name, call));
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
        Test test = new Test(tested, name, is("(") ? arguments(NONE) : new Call(NONE, one, Map.of(), null));
        return negated ? new Not(test) : test;
    }
}
