"""What people look at: the live terminal view, the self-contained HTML report, Grafana's dashboards."""
