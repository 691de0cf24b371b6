import java.util.Locale;

/** Markdown that grows by formatted texts. */
final class Page {
    private final StringBuilder text = new StringBuilder();

    void add(String format, Object... values) {
        text.append(String.format(Locale.ROOT, format, values));
    }

    @Override
    public String toString() {
        return text.toString();
    }
}
