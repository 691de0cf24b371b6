package dev.causal4j.chat;

/**
 * Whether a model may or must call tools.
 *
 * @param kind what it may do
 * @param name of the tool that must be called, for {@link Kind#NAMED}; else empty
 * @param parallel whether an answer may have several calls
 */
public record ToolChoice(Kind kind, String name, boolean parallel) {
    /** Whether a model may answer, call tools, or both. */
    public enum Kind {
        /** It does not know of the tools. */
        NONE,
        /** It answers, calls tools, or both. */
        AUTO,
        /** It calls tools and writes nothing else. */
        REQUIRED,
        /** It calls one tool once, and writes nothing else. */
        NAMED
    }

    public static final ToolChoice NONE = new ToolChoice(Kind.NONE, "", true);
    public static final ToolChoice AUTO = new ToolChoice(Kind.AUTO, "", true);
    public static final ToolChoice REQUIRED = new ToolChoice(Kind.REQUIRED, "", true);

    /** The tool of this name, once. */
    public static ToolChoice named(String name) {
        return new ToolChoice(Kind.NAMED, name, false);
    }

    /** The same choice with one call at most, or with several. */
    public ToolChoice withParallel(boolean several) {
        return new ToolChoice(kind, name, several && kind != Kind.NAMED);
    }

    /** {@code none}, {@code auto} or {@code required}; any other text is a tool's name. */
    public static ToolChoice parse(String text) {
        return switch (text) {
            case "none" -> NONE;
            case "auto" -> AUTO;
            case "required" -> REQUIRED;
            default -> named(text);
        };
    }
}
