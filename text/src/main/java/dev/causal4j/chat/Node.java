package dev.causal4j.chat;

import dev.causal4j.chat.Value.Function;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A part of a parsed template. {@link Rendering#eval} runs it and counts it. */
interface Node {
    /** The value of an expression; none for a statement. */
    Object run(Rendering x);

    /** {@code *items} among arguments. */
    record Spread(Node items) implements Node {
        @Override
        public Object run(Rendering x) {
            return x.eval(items);
        }
    }

    /** A call. For a filter or test only its arguments are used. */
    record Call(Node callee, List<Node> positional, Map<String, Node> named) implements Node {
        @Override
        public Object run(Rendering x) {
            Function function = x.cast(Function.class, x.eval(callee), "a function or macro to call");
            return x.made(function.call(arguments(x)));
        }

        Arguments arguments(Rendering x) {
            Map<String, Object> values = new HashMap<>();
            x.make(Rendering.OBJECT * (3L + named.size()) + 8L * positional.size()); // a lazy list keeps them
            named.forEach((name, value) -> values.put(name, x.eval(value)));
            return new Arguments(x, x.all(positional), values);
        }
    }
}
