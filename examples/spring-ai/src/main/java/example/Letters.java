package example;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.springframework.ai.tool.annotation.Tool;
import org.springframework.stereotype.Component;

/** Letters to the departments. Thread-safe. */
@Component
class Letters {
    private final List<Department> written = new CopyOnWriteArrayList<>();

    @Tool(description = "Writes to a department, which answers the reader within a week.")
    String write(Department department) {
        written.add(department);
        return "The letter to " + department + " was sent.";
    }

    /** The departments that were written to, in order. */
    List<Department> written() {
        return List.copyOf(written);
    }
}
