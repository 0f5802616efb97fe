// Tables that sort by their heads and filter by words. Without it they stand as they were written.
(function () {
  'use strict';
  var least = 8; // rows from which on there is a filter

  function key(row, column) {
    var cell = row.cells[column];
    if (!cell) return '';
    var v = cell.getAttribute('data-v');
    return v === null ? cell.textContent : v === '' ? NaN : Number(v);
  }

  // What is not there comes last, whichever way the rest goes.
  function order(a, b, sign) {
    if (typeof a === 'number' && typeof b === 'number') {
      var no = isNaN(a), none = isNaN(b);
      return no || none ? no - none : sign * (a - b);
    }
    return sign * String(a).localeCompare(String(b), undefined, { numeric: true });
  }

  function sort(table, column) {
    var heads = table.tHead.rows[0].cells, body = table.tBodies[0];
    var up = heads[column].getAttribute('aria-sort') !== 'ascending';
    var rows = Array.prototype.map.call(body.rows, function (row, i) {
      return { row: row, key: key(row, column), i: i };
    });
    rows.sort(function (a, b) { return order(a.key, b.key, up ? 1 : -1) || a.i - b.i; });
    for (var i = 0; i < heads.length; i++) heads[i].removeAttribute('aria-sort');
    heads[column].setAttribute('aria-sort', up ? 'ascending' : 'descending');
    var all = document.createDocumentFragment();
    rows.forEach(function (r) { all.appendChild(r.row); });
    body.appendChild(all);
  }

  function sortable(table) {
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, column) {
      var button = document.createElement('button');
      button.type = 'button';
      while (head.firstChild) button.appendChild(head.firstChild);
      button.addEventListener('click', function () { sort(table, column); });
      head.appendChild(button);
    });
  }

  function filterable(table) {
    var rows = table.tBodies[0].rows, count = document.createElement('span');
    if (rows.length < least) return;
    var label = document.createElement('label'), input = document.createElement('input');
    label.className = 'filter';
    input.type = 'search';
    input.placeholder = 'words that a row must have';
    label.appendChild(document.createTextNode('Filter'));
    label.appendChild(input);
    label.appendChild(count);
    input.addEventListener('input', function () {
      var words = input.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
      Array.prototype.forEach.call(rows, function (row) {
        var text = Array.prototype.map.call(row.cells, function (c) { return c.textContent; }).join('\n').toLowerCase();
        var fits = words.every(function (w) { return text.indexOf(w) >= 0; });
        row.hidden = !fits;
        shown += fits;
      });
      count.textContent = words.length ? shown + ' of ' + rows.length : '';
    });
    table.parentNode.parentNode.insertBefore(label, table.parentNode);
  }

  Array.prototype.forEach.call(document.querySelectorAll('table.sort'), function (table) {
    if (!table.tHead || !table.tBodies.length) return;
    sortable(table);
    filterable(table);
  });
})();
