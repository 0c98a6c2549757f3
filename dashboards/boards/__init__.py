"""The dashboards that ship, one file each."""

from undertow.dashboards.board import Board
from undertow.dashboards.boards import incident, monitor, overview, service

__all__ = ["BOARDS"]

BOARDS: tuple[Board, ...] = (overview.BOARD, service.BOARD, incident.BOARD, monitor.BOARD)
