package dev.causal4j.chat;

import dev.causal4j.chat.Value.Function;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A part of a parsed template: what it does in a rendering. To be run by {@link Evaluator#eval}, which counts it. */
interface Node {
    /** The value of an expression; none of a statement. */
    Object run(Evaluator e);

    /** {@code *items} among arguments. */
    record Spread(Node items) implements Node {
        @Override
        public Object run(Evaluator e) {
            return e.x.list(e.eval(items));
        }
    }

    /** A call; that of a filter or test has no callee but only arguments. */
    record Call(Node callee, List<Node> positional, Map<String, Node> named) implements Node {
        @Override
        public Object run(Evaluator e) {
            Function function = e.x.cast(Function.class, e.eval(callee), "a function or macro to call");
            return e.x.made(function.call(arguments(e)));
        }

        Arguments arguments(Evaluator e) {
            Map<String, Object> values = new HashMap<>();
            named.forEach((name, value) -> values.put(name, e.eval(value)));
            return new Arguments(e.x, e.all(positional), values);
        }
    }
}
